package settings

import "time"

// DataPath are the limits of the MCP data path.
type DataPath struct {
	MCPBodyLimit     int           // largest request body, in bytes
	MCPHeaderLimit   int           // largest request head (names and values of headers), in bytes
	MCPResponseLimit int           // largest answer, or event of a stream, that the gateway reads itself, in bytes
	HeadTimeout      time.Duration // until the head of an upstream's answer, unless the record has its own timeout
	CallTimeout      time.Duration // until the result of a request that the gateway makes itself
	FanOut           int           // servers asked at once for one aggregated answer
	FanOutTimeout    time.Duration // for one server's part of an aggregated answer
	HealthTimeout    time.Duration // for the check of one server
	ListLife         time.Duration // of a remembered list of a legacy server, unless the record has its own
	PerServer        int           // requests under way per server, unless the record has its own number; 0: no limit
	PerCaller        int           // requests under way per access key; 0: no limit
	PerMinute        int           // requests per minute and access key, unless the key has its own number; 0: no limit
}

func dataPathTable() []Variable {
	return []Variable{
		count("GRANTWAY_MCP_BODY_BYTES", "", Bytes, 4<<20, 1<<10, 64<<20,
			"Largest request body on the MCP endpoints and the REST facade; a larger one is answered with 413.",
			func(s *Settings) *int { return &s.MCPBodyLimit }),
		count("GRANTWAY_MCP_HEADER_BYTES", "", Bytes, 64<<10, 4<<10, 256<<10,
			"Largest sum of the names and values of a request's headers on the MCP endpoints; more is answered with 431.",
			func(s *Settings) *int { return &s.MCPHeaderLimit }),
		count("GRANTWAY_MCP_RESPONSE_BYTES", "", Bytes, 16<<20, 1<<10, 64<<20,
			"Largest answer, or event of a stream, that the gateway reads itself (lists, aggregated and bridged calls, the REST facade). What is passed through has no limit.",
			func(s *Settings) *int { return &s.MCPResponseLimit }),
		seconds("GRANTWAY_UPSTREAM_TIMEOUT_SECONDS", "", 60, 0.1, hour,
			"Longest wait for the head of an MCP server's answer; a record's timeout comes first.",
			func(s *Settings) *time.Duration { return &s.HeadTimeout }),
		seconds("GRANTWAY_CALL_TIMEOUT_SECONDS", "", 300, 1, day,
			"Longest wait for the result of an aggregated, bridged or REST call.",
			func(s *Settings) *time.Duration { return &s.CallTimeout }),
		count("GRANTWAY_FAN_OUT", "", Count, 5, 1, 100,
			"Servers that are asked at once for one aggregated answer. Workers allow six connections per request.",
			func(s *Settings) *int { return &s.FanOut }),
		seconds("GRANTWAY_FAN_OUT_TIMEOUT_SECONDS", "", 10, 0.1, 300,
			"Longest wait for one server's part of an aggregated answer; then its items are left out and it is named.",
			func(s *Settings) *time.Duration { return &s.FanOutTimeout }),
		seconds("GRANTWAY_HEALTH_TIMEOUT_SECONDS", "", 20, 0.1, 300,
			"Longest check of one server.",
			func(s *Settings) *time.Duration { return &s.HealthTimeout }),
		seconds("GRANTWAY_LIST_CACHE_SECONDS", "", 300, 0, day,
			"Life of a remembered list of a server of the session era, which says nothing of it; a record's list_cache_seconds comes first.",
			func(s *Settings) *time.Duration { return &s.ListLife }),
		count("GRANTWAY_CONCURRENT_PER_SERVER", "", Count, 256, 0, 100_000,
			"Requests to one MCP server under way in one instance; more are answered with 429. A record's max_concurrent_requests comes first; 0: no limit.",
			func(s *Settings) *int { return &s.PerServer }),
		count("GRANTWAY_CONCURRENT_PER_KEY", "", Count, 256, 0, 100_000,
			"Requests of one access key under way in one instance; more are answered with 429; 0: no limit.",
			func(s *Settings) *int { return &s.PerCaller }),
		count("GRANTWAY_REQUESTS_PER_MINUTE", "", Count, 0, 0, 1_000_000,
			"Requests per minute of one access key in one instance; more are answered with 429. A key's requests_per_minute comes first; 0: no limit.",
			func(s *Settings) *int { return &s.PerMinute }),
	}
}
