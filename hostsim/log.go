package hostsim

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
)

// hostLog sends what guest and host say to the logger.
type hostLog struct {
	logger *slog.Logger
	output io.Writer
}

// Guest logs one line of the guest. It is JSON; its members become attributes.
func (l hostLog) Guest(level int, text string) {
	ctx := context.Background()
	if !l.logger.Enabled(ctx, slog.Level(level)) {
		return
	}
	var members map[string]any
	if json.Unmarshal([]byte(text), &members) != nil {
		l.logger.Log(ctx, slog.Level(level), text)
		return
	}
	message, _ := members[slog.MessageKey].(string)
	attrs := make([]any, 0, len(members))
	for name, value := range members {
		switch name {
		case slog.MessageKey, slog.LevelKey, slog.TimeKey:
		default:
			attrs = append(attrs, slog.Any(name, value))
		}
	}
	l.logger.Log(ctx, slog.Level(level), message, attrs...)
}

func (l hostLog) Output(p []byte) { _, _ = l.output.Write(p) }

func (l hostLog) Host(level int, message string, attrs ...any) {
	l.logger.Log(context.Background(), slog.Level(level), message, attrs...)
}
