package admin

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/grantway/grantway/worker/directory"
	"github.com/grantway/grantway/worker/problem"
)

type listAnswer[T any] struct {
	Data       []T     `json:"data"`
	NextCursor *string `json:"next_cursor"`
	Total      *int    `json:"total,omitempty"`
}

func newList[T any](next string, total int) listAnswer[T] {
	l := listAnswer[T]{Data: []T{}, Total: &total}
	if next != "" {
		l.NextCursor = &next
	}
	return l
}

// query reads the parameters of a request and collects what is wrong with them.
type query struct {
	r        *http.Request
	known    []string
	problems []problem.Field
}

func (q *query) text(name string) string {
	q.known = append(q.known, name)
	return q.r.URL.Query().Get(name)
}

func (q *query) bad(name, message string) {
	q.problems = append(q.problems, problem.Field{Path: name, Code: "invalid_value", Message: message})
}

func (q *query) oneOf(name, fallback string, values ...string) string {
	s := q.text(name)
	if s == "" {
		return fallback
	}
	if !slices.Contains(values, s) {
		q.bad(name, "Must be one of "+strings.Join(values, ", ")+".")
	}
	return s
}

func (q *query) limit() int {
	const usual = 50
	s := q.text("limit")
	if s == "" {
		return usual
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > directory.MaxPage {
		q.bad("limit", fmt.Sprintf("Must be a number from 1 to %d.", directory.MaxPage))
		return usual
	}
	return n
}

func (q *query) flag(name string) *bool {
	s := q.text(name)
	if s == "" {
		return nil
	}
	b, err := strconv.ParseBool(s)
	if err != nil {
		q.bad(name, "Must be true or false.")
	}
	return &b
}

func (q *query) time(name string) time.Time {
	s := q.text(name)
	if s == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		q.bad(name, "Must be a time as in RFC 3339, such as 2027-01-31T12:00:00Z.")
	}
	return t
}

// done answers everything that was wrong, and parameters that nobody asked for.
func (q *query) done() error {
	for name := range q.r.URL.Query() {
		if !slices.Contains(q.known, name) {
			q.problems = append(q.problems, problem.Field{Path: name, Code: "unknown_parameter", Message: "There is no such parameter."})
		}
	}
	if len(q.problems) == 0 {
		return nil
	}
	p := problem.New(http.StatusBadRequest, "invalid_query", "Some parameters are not valid.")
	p.Fields = q.problems
	return p
}
