/**
 * The limits of docs/host-abi.md, and this host's own. Bytes unless named otherwise. The first block is also in
 * wasm/abi/abi.go; TestShimCodes keeps the two equal.
 */

/** The largest declared request body that is delivered with its event. */
export const MAX_INLINE_BODY = 64 << 10;
/** The largest meta of an operation or event. */
export const MAX_META = 256 << 10;
/** The largest piece of one read. */
export const MAX_READ_CHUNK = 64 << 10;
export const MAX_KV_KEY = 512;
export const MAX_KV_VALUE = 25 << 20;
/** Seconds. */
export const MIN_KV_TTL = 60;
export const MAX_STORAGE_KEY = 2048;
export const MAX_STORAGE_VALUE = 2 << 20;
/** Entries of one listing, of KV and of storage. */
export const MAX_STORAGE_LIST = 1000;

/** Workers KV's limit of an entry's metadata. */
export const MAX_KV_METADATA = 1024;
/** Milliseconds between two looks at the queue and the timers of a request that waits. */
export const TICK = 50;
/** Milliseconds without a tick after which a request's context is taken to be gone. */
export const SILENCE = 10_000;
/** Milliseconds without any tick at all: the isolate itself stood still, so no request is to blame. */
export const STANDSTILL = 2_000;
/** Milliseconds by which the clock must go back to have been set back. */
export const STEP = 10_000;
/** Linear memory from which an instance takes no new request: the next one gets a new instance. */
export const RECYCLE_MEMORY = 64 << 20;
/** Keys that the crypto operations keep imported. */
export const MAX_CACHED_KEYS = 64;
/** The longest time until the head of a forwarded answer that the guest is told of, in milliseconds. */
export const MAX_HEAD = 1 << 20;
/** Sets of request headers that are kept for the requests after. */
export const MAX_KNOWN_HEADERS = 64;
/** Characters of a failure's text that reach the guest. */
export const MAX_ERROR_TEXT = 200;
