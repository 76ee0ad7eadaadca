// Preloaded into a process: file operations on paths below FAILING_DISK_FOLDER fail with what the file
// FAILING_DISK_CONTROL says (EIO, ENOSPC or EROFS; "EIO all": reading too), as long as that file exists.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static int broken(int fd, int reading) {
  const char *control = getenv("FAILING_DISK_CONTROL"), *folder = getenv("FAILING_DISK_FOLDER");
  if (!control || !folder) return 0;
  char text[64] = "", link[64], path[4096];
  int file = syscall(SYS_openat, AT_FDCWD, control, O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  syscall(SYS_read, file, text, sizeof text - 1);
  syscall(SYS_close, file);
  if (reading && !strstr(text, "all")) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  // What has no name any more is a pipe.
  if (strncmp(path, folder, strlen(folder)) || strstr(path, " (deleted)")) return 0;
  return !strncmp(text, "ENOSPC", 6) ? ENOSPC : !strncmp(text, "EROFS", 5) ? EROFS : EIO;
}

#define REAL(name) static __typeof__(name) *real; if (!real) real = dlsym(RTLD_NEXT, #name)
#define FAIL(fd, reading) \
  int saved = errno, code = broken(fd, reading); \
  if (code) { errno = code; return -1; } \
  errno = saved

ssize_t write(int fd, const void *b, size_t n) { REAL(write); FAIL(fd, 0); return real(fd, b, n); }
ssize_t writev(int fd, const struct iovec *v, int n) { REAL(writev); FAIL(fd, 0); return real(fd, v, n); }
ssize_t pwrite(int fd, const void *b, size_t n, off_t o) { REAL(pwrite); FAIL(fd, 0); return real(fd, b, n, o); }
ssize_t pwrite64(int fd, const void *b, size_t n, off64_t o) { REAL(pwrite64); FAIL(fd, 0); return real(fd, b, n, o); }
ssize_t pwritev(int fd, const struct iovec *v, int n, off_t o) { REAL(pwritev); FAIL(fd, 0); return real(fd, v, n, o); }
ssize_t pwritev64(int fd, const struct iovec *v, int n, off64_t o) { REAL(pwritev64); FAIL(fd, 0); return real(fd, v, n, o); }
int fsync(int fd) { REAL(fsync); FAIL(fd, 0); return real(fd); }
int fdatasync(int fd) { REAL(fdatasync); FAIL(fd, 0); return real(fd); }
int ftruncate(int fd, off_t n) { REAL(ftruncate); FAIL(fd, 0); return real(fd, n); }
int ftruncate64(int fd, off64_t n) { REAL(ftruncate64); FAIL(fd, 0); return real(fd, n); }
ssize_t read(int fd, void *b, size_t n) { REAL(read); FAIL(fd, 1); return real(fd, b, n); }
ssize_t pread(int fd, void *b, size_t n, off_t o) { REAL(pread); FAIL(fd, 1); return real(fd, b, n, o); }
ssize_t pread64(int fd, void *b, size_t n, off64_t o) { REAL(pread64); FAIL(fd, 1); return real(fd, b, n, o); }
