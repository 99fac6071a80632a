package token

// Remembered is how many identity keys an instance has in memory.
func (e *Engine) Remembered() int { return e.slots.len() }
