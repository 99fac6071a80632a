// Package settings holds every number of the gateway that an operator may change,
// with its environment variable, default and bounds. Table is the one list: the
// documentation, the management API and the tests read it.
package settings

import (
	"fmt"
	"strconv"
	"time"
)

// Settings are the values in force. They are read once, when an instance starts.
type Settings struct {
	// Life of a token.

	ExpiryMargin   time.Duration // before its end a token is no longer used if a new one can be had
	MinCacheLife   time.Duration // a token is used for at least this long, but never past its real expiry
	AssumedLife    time.Duration // life of a token whose answer has no usable expires_in
	MaxLife        time.Duration // longest life that is believed
	EarlyFraction  float64       // the last part of its life in which a token is refreshed early
	EarlyMax       time.Duration // longest early-refresh window
	RefreshJitter  float64       // part of the window by which an instance delays its early refresh, at random
	KeepWarmWindow time.Duration // cron refreshes a keep_warm token that ends within this time
	ClockTolerance time.Duration // a stored token that was issued further in the future than this is not used

	// Caches.

	TokenCacheSize int           // tokens in an instance's memory; 0: none are kept there
	L1Recheck      time.Duration // how often an instance looks whether a token was purged elsewhere
	StoreTimeout   time.Duration // longest wait for KV TOKENS on the way to a token

	// Identity provider.

	IdPTimeout      time.Duration // longest request to a token endpoint
	IdPBodyLimit    int           // largest answer of a token endpoint, in bytes
	MinterTimeout   time.Duration // longest wait for the minter before the instance mints by itself
	MetadataTimeout time.Duration // longest request for metadata
	MetadataLimit   int           // largest metadata document, in bytes
	MetadataLife    time.Duration // life of what discovery found
	MetadataRetry   time.Duration // life of a failed discovery

	// After a failed mint.

	BackoffBase       time.Duration // first pause of class unavailable; doubles with each failure
	BackoffCap        time.Duration // longest pause of class unavailable
	BackoffJitter     float64       // part of a pause by which it is made longer, at random
	RejectedLife      time.Duration // first pause of class rejected
	RejectedCap       time.Duration // longest pause of class rejected
	MisconfiguredLife time.Duration // first pause of class misconfigured
	MisconfiguredCap  time.Duration // longest pause of class misconfigured
	RetryAfterCap     time.Duration // longest Retry-After that is obeyed
	FailureRecheck    time.Duration // how long an instance answers with the minter's failure without asking it
	RecordReread      time.Duration // shortest time between readings of a record because of a refused client

	// Upstream answers.

	ReplayBodyLimit int           // largest request body that can be sent again after a 401, in bytes
	AssertionLife   time.Duration // exp of a client assertion (RFC 7523 §3)

	PersonGrant time.Duration // how long a client acts for a person who has allowed it on the word of the identity provider

	DataPath

	// AllowLoopback is the development switch: plain http, and only to this machine.
	AllowLoopback bool
}

// Unit is what a number of the table counts.
type Unit string

// Units of the table.
const (
	Seconds Unit = "seconds"
	Bytes   Unit = "bytes"
	Count   Unit = "number"
	Part    Unit = "part of one"
	Switch  Unit = "1 or 0"
)

// Variable is one row of the table.
type Variable struct {
	Name        string  // environment variable
	Alias       string  // LiteLLM's name for it, accepted too; Name wins
	Unit        Unit    // of Default, Min and Max
	Default     float64 // used when neither is set
	Min, Max    float64 // bounds, inclusive
	Description string
	set         func(*Settings, float64)
}

// Problem is a variable with a value that cannot be used.
type Problem struct {
	Variable string
	Message  string
}

func (p Problem) Error() string { return p.Variable + " " + p.Message }

// Value is one row of the table with the value in force, as text.
type Value struct {
	Name        string `json:"name"`
	Value       string `json:"value"`
	Default     string `json:"default"`
	Description string `json:"description"`
}

// Load reads every variable. A malformed or unbounded value is a Problem each; the
// settings then hold the default in its place and must not be used to serve.
func Load(env func(string) string) (*Settings, []Problem) {
	s := &Settings{}
	var problems []Problem
	for _, v := range Table() {
		x, p := v.read(env)
		if p != nil {
			problems = append(problems, *p)
		}
		v.set(s, x)
	}
	return s, problems
}

// Values answers the table with the values in force.
func Values(env func(string) string) []Value {
	var out []Value
	for _, v := range Table() {
		x, _ := v.read(env)
		out = append(out, Value{v.Name, format(x), format(v.Default), v.Description})
	}
	return out
}

func (v Variable) read(env func(string) string) (float64, *Problem) {
	name, text := v.Name, env(v.Name)
	if text == "" && v.Alias != "" {
		name, text = v.Alias, env(v.Alias)
	}
	if text == "" {
		return v.Default, nil
	}
	x, err := strconv.ParseFloat(text, 64)
	if v.Unit == Switch {
		var b bool
		b, err = strconv.ParseBool(text)
		x = 0
		if b {
			x = 1
		}
	}
	switch {
	case err != nil || x != x:
		return v.Default, &Problem{name, fmt.Sprintf("must be %s (%s), not %q.", v.kind(), v.Unit, clip(text))}
	case x < v.Min || x > v.Max:
		return v.Default, &Problem{name, fmt.Sprintf("must be from %s to %s %s, not %s.", format(v.Min), format(v.Max), v.Unit, clip(text))}
	case (v.Unit == Bytes || v.Unit == Count) && x != float64(int64(x)):
		return v.Default, &Problem{name, fmt.Sprintf("must be a whole number, not %s.", clip(text))}
	}
	return x, nil
}

func (v Variable) kind() string {
	if v.Unit == Switch {
		return "true or false"
	}
	return "a number"
}

func clip(s string) string { return s[:min(len(s), 32)] }

func format(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }

func duration(x float64) time.Duration { return time.Duration(x * float64(time.Second)) }
