// Preloaded into a process: the name FAILING_NAMES_NAME resolves to what the file FAILING_NAMES_TABLE says, an address or
// one of EAI_AGAIN and EAI_NONAME.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **res) {
  static __typeof__(getaddrinfo) *real;
  if (!real) real = dlsym(RTLD_NEXT, "getaddrinfo");
  const char *name = getenv("FAILING_NAMES_NAME"), *table = getenv("FAILING_NAMES_TABLE");
  if (!node || !name || !table || strcmp(node, name)) return real(node, service, hints, res);
  char text[128] = "";
  FILE *file = fopen(table, "re");
  if (!file) return EAI_AGAIN;
  if (!fgets(text, sizeof text, file)) text[0] = 0;
  fclose(file);
  if (!strncmp(text, "EAI_AGAIN", 9)) return EAI_AGAIN;
  if (!strncmp(text, "EAI_NONAME", 10)) return EAI_NONAME;
  return real(text, service, hints, res);
}
