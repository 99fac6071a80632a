//go:build js && wasm

package resident

import (
	"context"
	"log/slog"

	"github.com/grantway/grantway/wasm/abi"
)

// hostLog is a slog.Handler whose lines go to the host's log, one JSON object
// each. The guest has one thread and formatting never yields, so the level can
// travel beside the line.
type hostLog struct {
	slog.Handler
	out *logWriter
}

type logWriter struct{ level slog.Level }

func (w *logWriter) Write(line []byte) (int, error) {
	n := len(line)
	for len(line) > 0 && line[len(line)-1] == '\n' {
		line = line[:len(line)-1]
	}
	if len(line) > abi.MaxMeta {
		line = line[:abi.MaxMeta]
	}
	sync(abi.SyncLog, 0, int32(w.level), line, nil)
	return n, nil
}

var logger = func() *slog.Logger {
	out := &logWriter{}
	return slog.New(hostLog{slog.NewJSONHandler(out, &slog.HandlerOptions{Level: slog.LevelInfo}), out})
}()

// Log is the host's log.
func Log() *slog.Logger { return logger }

func (h hostLog) Handle(ctx context.Context, r slog.Record) error {
	h.out.level = r.Level
	return h.Handler.Handle(ctx, r)
}

func (h hostLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return hostLog{h.Handler.WithAttrs(attrs), h.out}
}

func (h hostLog) WithGroup(name string) slog.Handler {
	return hostLog{h.Handler.WithGroup(name), h.out}
}
