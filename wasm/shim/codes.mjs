/**
 * The numbers of docs/host-abi.md. wasm/abi/abi.go holds the same ones; TestShimCodes in wasm/abi keeps the two equal.
 */

export const VERSION = 1;
export const MODE_RESIDENT = 1;

/** What the export push delivers. */
export const KIND_FETCH = 1;
export const KIND_OK = 2;
export const KIND_ERROR = 3;
export const KIND_CANCEL = 4;
export const KIND_OBJECT = 5;
export const KIND_SCHEDULED = 6;

/** Answers of the export push. */
export const PUSH_ACCEPTED = 0;
export const PUSH_IDLE = 1;

/** Codes of the import sync. */
export const SYNC_RESPOND = 1;
export const SYNC_DONE = 2;
export const SYNC_ABORT = 3;
export const SYNC_CANCEL = 4;
export const SYNC_CURRENT = 5;
export const SYNC_LOG = 6;
export const SYNC_ENV = 7;
export const SYNC_SUPPORTS = 8;

/** Failures of the import sync. */
export const SYNC_UNKNOWN = -1;
export const SYNC_NOT_FOUND = -2;
export const SYNC_MALFORMED = -3;

/** Where a response's body comes from; a positive number is a stream handle. */
export const BODY_BYTES = -1;
export const BODY_STREAM = 0;

/** Codes of the import op. */
export const OP_WRITE = 16;
export const OP_READ = 17;
export const OP_FETCH = 18;
export const OP_ENDED = 19;
export const OP_FORWARD = 20;
export const OP_KV_GET = 32;
export const OP_KV_PUT = 33;
export const OP_KV_DELETE = 34;
export const OP_KV_LIST = 35;
export const OP_STORAGE_GET = 48;
export const OP_STORAGE_PUT = 49;
export const OP_STORAGE_DELETE = 50;
export const OP_STORAGE_LIST = 51;
export const OP_STORAGE_TRANSACT = 52;
export const OP_SIGN = 64;
export const OP_VERIFY = 65;
export const OP_DIGEST = 66;
export const OP_GENERATE = 67;
export const OP_BACKGROUND = 80;
export const OP_RATE_LIMIT = 96;
export const OP_DATA_POINT = 97;
