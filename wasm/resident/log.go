//go:build js && wasm

package resident

import (
	"bytes"
	"log/slog"

	"github.com/grantway/grantway/wasm/abi"
)

// logWriter sends each line that slog writes, one JSON object, to the host's log.
type logWriter struct{}

// levels as slog's JSON handler writes them, the usual one first.
var levels = []struct {
	text  []byte
	level slog.Level
}{
	{[]byte(`"level":"INFO`), slog.LevelInfo},
	{[]byte(`"level":"ERROR`), slog.LevelError},
	{[]byte(`"level":"WARN`), slog.LevelWarn},
	{[]byte(`"level":"DEBUG`), slog.LevelDebug},
}

// levelOf finds the level near the line's beginning, where the handler puts it: a goroutine
// may lose the processor between a record and its line, so it cannot travel beside it.
func levelOf(line []byte) slog.Level {
	head := line[:min(len(line), 96)]
	for _, l := range levels {
		if bytes.Contains(head, l.text) {
			return l.level
		}
	}
	return slog.LevelInfo
}

func (logWriter) Write(line []byte) (int, error) {
	n := len(line)
	line = bytes.TrimRight(line, "\n")
	if len(line) > abi.MaxMeta {
		line = line[:abi.MaxMeta]
	}
	sync(abi.SyncLog, 0, int32(levelOf(line)), line, nil)
	return n, nil
}

var logger = slog.New(slog.NewJSONHandler(logWriter{}, nil))

// Log is the host's log.
func Log() *slog.Logger { return logger }
