package abi

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestShimCodes keeps the shim's numbers equal to this package's.
func TestShimCodes(t *testing.T) {
	want := map[string]map[string]int{
		"../shim/codes.mjs": {
			"VERSION": Version, "MODE_RESIDENT": int(ModeResident),
			"KIND_FETCH": int(KindFetch), "KIND_OK": int(KindOK), "KIND_ERROR": int(KindError), "KIND_CANCEL": int(KindCancel),
			"KIND_OBJECT": int(KindObject), "KIND_SCHEDULED": int(KindScheduled), "PUSH_ACCEPTED": int(PushAccepted), "PUSH_IDLE": int(PushIdle),
			"SYNC_RESPOND": int(SyncRespond), "SYNC_DONE": int(SyncDone), "SYNC_ABORT": int(SyncAbort), "SYNC_CANCEL": int(SyncCancel),
			"SYNC_CURRENT": int(SyncCurrent), "SYNC_LOG": int(SyncLog), "SYNC_ENV": int(SyncEnv), "SYNC_SUPPORTS": int(SyncSupports),
			"SYNC_UNKNOWN": -1, "SYNC_NOT_FOUND": -2, "SYNC_MALFORMED": -3,
			"BODY_BYTES": int(BodyBytes), "BODY_STREAM": int(BodyStream),
			"OP_WRITE": int(OpWrite), "OP_READ": int(OpRead), "OP_FETCH": int(OpFetch), "OP_ENDED": int(OpEnded), "OP_FORWARD": int(OpForward),
			"OP_KV_GET": int(OpKVGet), "OP_KV_PUT": int(OpKVPut), "OP_KV_DELETE": int(OpKVDelete), "OP_KV_LIST": int(OpKVList),
			"OP_STORAGE_GET": int(OpStorageGet), "OP_STORAGE_PUT": int(OpStoragePut), "OP_STORAGE_DELETE": int(OpStorageDelete),
			"OP_STORAGE_LIST": int(OpStorageList), "OP_STORAGE_TRANSACT": int(OpStorageTransact),
			"OP_SIGN": int(OpSign), "OP_VERIFY": int(OpVerify), "OP_DIGEST": int(OpDigest), "OP_GENERATE": int(OpGenerate), "OP_BACKGROUND": int(OpBackground),
			"OP_RATE_LIMIT": int(OpRateLimit), "OP_DATA_POINT": int(OpDataPoint),
		},
		"../shim/limits.mjs": {
			"MAX_INLINE_BODY": MaxInlineBody, "MAX_META": MaxMeta, "MAX_READ_CHUNK": MaxReadChunk, "MAX_KV_KEY": MaxKVKey,
			"MAX_KV_VALUE": MaxKVValue, "MIN_KV_TTL": MinKVTTL, "MAX_STORAGE_KEY": MaxStorageKey, "MAX_STORAGE_VALUE": MaxStorageValue,
			"MAX_STORAGE_LIST": MaxStorageList,
		},
	}
	// Limits that are the shim's own.
	own := []string{"MAX_KV_METADATA", "TICK", "SILENCE", "STANDSTILL", "STEP", "RECYCLE_MEMORY", "MAX_CACHED_KEYS", "MAX_KNOWN_HEADERS", "MAX_HEAD", "MAX_ERROR_TEXT"}
	constant := regexp.MustCompile(`(?m)^export const ([A-Z_]+) = (-?[0-9_]+)(?: << ([0-9]+))?;$`)
	for file, numbers := range want {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, strings.Count(string(text), "export const "), len(constant.FindAllString(string(text), -1)), "%s: a constant that this test cannot read", file)
		for _, m := range constant.FindAllStringSubmatch(string(text), -1) {
			n, err := strconv.Atoi(strings.ReplaceAll(m[2], "_", ""))
			require.NoError(t, err)
			if m[3] != "" {
				shift, err := strconv.Atoi(m[3])
				require.NoError(t, err)
				n <<= shift
			}
			if wanted, known := numbers[m[1]]; known {
				assert.Equal(t, wanted, n, m[1])
				delete(numbers, m[1])
			} else {
				assert.Contains(t, own, m[1], "%s is in %s only", m[1], file)
			}
		}
		assert.Empty(t, numbers, "missing in %s", file)
	}
}
