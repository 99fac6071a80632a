// The numbers of docs/host-abi.md. wasm/abi/abi.go has the same; a test keeps the two lists equal.

export const VERSION = 1;
export const MODE_RESIDENT = 1;

/** What the host delivers (first parameter of the export push). */
export const Kind = Object.freeze({ Fetch: 1, OK: 2, Error: 3, Cancel: 4, Object: 5, Scheduled: 6 });

/** Answers of the export push. */
export const Push = Object.freeze({ Accepted: 0, NotReady: -1 });

/** Operations that answer at once. */
export const Sync = Object.freeze({ Respond: 1, Done: 2, Abort: 3, Cancel: 4, Current: 5, Log: 6, Env: 7 });

/** Results of sync beside those of the operations. */
export const SyncResult = Object.freeze({ OK: 0, Unknown: -1, NotFound: -2, Malformed: -3 });

/** Where the body of a response comes from; a positive number is a stream handle. */
export const Body = Object.freeze({ Bytes: -1, Stream: 0 });

/** Operations that settle later. */
export const Op = Object.freeze({
  Write: 16,
  Read: 17,
  Fetch: 18,
  KVGet: 32,
  KVPut: 33,
  KVDelete: 34,
  KVList: 35,
  StorageGet: 48,
  StoragePut: 49,
  StorageDelete: 50,
  StorageList: 51,
  StorageTransact: 52,
  Sign: 64,
  Verify: 65,
  Digest: 66,
  Background: 80,
  RateLimit: 96,
  DataPoint: 97,
});

/** Error codes. */
export const Code = Object.freeze({
  Canceled: "canceled",
  Timeout: "timeout",
  Gone: "gone",
  Unsupported: "unsupported",
  NotFound: "notfound",
  Conflict: "conflict",
  Limit: "limit",
  Invalid: "invalid",
  DNS: "dns",
  TLS: "tls",
  Refused: "refused",
  Reset: "reset",
  Net: "net",
  Internal: "internal",
});

/** Limits, in bytes unless named otherwise. */
export const Limit = Object.freeze({
  InlineBody: 64 << 10,
  Meta: 256 << 10,
  ReadChunk: 64 << 10,
  KVKey: 512,
  KVValue: 25 << 20,
  KVTTLSeconds: 60,
  StorageKey: 2048,
  StorageValue: 2 << 20,
  ListEntries: 1000,
});
