// Apart from the schemas: the page in the browser needs the numbers alone.

/** Bytes in one piece of a download: as base64 it fits into a frame between an executor and its daemon. */
export const DOWNLOAD_PIECE_BYTES = 2 * 1024 * 1024;
/** Bytes in one piece of an upload: base64 twice, in a signed envelope, it fits into a frame of the channel. */
export const UPLOAD_PIECE_BYTES = 512 * 1024;
