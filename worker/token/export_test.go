package token

import "github.com/grantway/grantway/worker/registry"

// Remembered is how many identity keys an instance has in memory.
func (e *Engine) Remembered() int { return e.slots.len() }

// Plan answers how calls with this record are made.
func (e *Engine) Plan(rec *registry.Record) any { return e.plan(rec) }
