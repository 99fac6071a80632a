package usage

import "time"

// Query selects and groups figures.
type Query struct {
	From, To time.Time
	Interval string // hour, day, total
	GroupBy  string // server, tool, key, none
	ServerID string // "": all
}

// Group is the figures of one server, tool or key.
type Group struct {
	ID     string
	Total  Figures
	Series []Point // in order of time; empty for interval total
}

// Point is the figures of one interval, which begins at At (Unix seconds).
type Point struct {
	At      int64
	Figures Figures
}

// Spark is the last hour of one server in slices of five minutes, oldest first.
type Spark struct {
	Calls, Errors []int64
	P95           float64
}
