package settings

import "time"

const (
	hour = 3600
	day  = 24 * hour
)

// Table answers every variable, in the order of the documentation.
func Table() []Variable { return append(tokenTable(), dataPathTable()...) }

func tokenTable() []Variable {
	return []Variable{
		seconds("GRANTWAY_TOKEN_EXPIRY_MARGIN_SECONDS", "MCP_OAUTH2_TOKEN_EXPIRY_BUFFER_SECONDS", 10, 0, hour,
			"Time before its expiry from which a token is replaced before it is used. While no new one can be had the old one is used until its real expiry.",
			func(s *Settings) *time.Duration { return &s.ExpiryMargin }),
		seconds("GRANTWAY_TOKEN_MIN_CACHE_SECONDS", "MCP_OAUTH2_TOKEN_CACHE_MIN_TTL", 10, 0, hour,
			"A token is kept at least this long although the margin says less; never past its real expiry.",
			func(s *Settings) *time.Duration { return &s.MinCacheLife }),
		seconds("GRANTWAY_TOKEN_ASSUMED_LIFE_SECONDS", "MCP_OAUTH2_TOKEN_CACHE_DEFAULT_TTL", 300, 0, day,
			"Life of a token whose answer has no usable expires_in; 0: use it once.",
			func(s *Settings) *time.Duration { return &s.AssumedLife }),
		seconds("GRANTWAY_TOKEN_MAX_LIFE_SECONDS", "", day, 60, 365*day,
			"Longest life that is believed of a token.",
			func(s *Settings) *time.Duration { return &s.MaxLife }),
		part("GRANTWAY_TOKEN_EARLY_REFRESH_FRACTION", 0.1, 0, 0.9,
			"The last part of its life in which a token is refreshed in the background.",
			func(s *Settings) *float64 { return &s.EarlyFraction }),
		seconds("GRANTWAY_TOKEN_EARLY_REFRESH_MAX_SECONDS", "", 60, 0, hour,
			"Longest early-refresh window.",
			func(s *Settings) *time.Duration { return &s.EarlyMax }),
		part("GRANTWAY_TOKEN_REFRESH_JITTER", 0.5, 0, 1,
			"Part of the early-refresh window by which an instance waits at random, so that not all ask at once.",
			func(s *Settings) *float64 { return &s.RefreshJitter }),
		seconds("GRANTWAY_TOKEN_KEEP_WARM_SECONDS", "", 360, 0, day,
			"The cron trigger refreshes the token of a keep_warm server when it ends within this time (at most half its life).",
			func(s *Settings) *time.Duration { return &s.KeepWarmWindow }),
		seconds("GRANTWAY_TOKEN_CLOCK_TOLERANCE_SECONDS", "", 30, 0, hour,
			"A stored token that claims to be issued further in the future is not used: the clock went backwards.",
			func(s *Settings) *time.Duration { return &s.ClockTolerance }),
		count("GRANTWAY_TOKEN_CACHE_SIZE", "MCP_OAUTH2_TOKEN_CACHE_MAX_SIZE", Count, 1000, 0, 100_000,
			"Tokens in the memory of an instance, least recently used dropped first; 0: none.",
			func(s *Settings) *int { return &s.TokenCacheSize }),
		seconds("GRANTWAY_TOKEN_RECHECK_SECONDS", "", 30, 1, hour,
			"How often an instance looks in the background whether a token that it uses was purged or replaced elsewhere.",
			func(s *Settings) *time.Duration { return &s.L1Recheck }),
		seconds("GRANTWAY_TOKEN_STORE_TIMEOUT_SECONDS", "", 1, 0.01, 30,
			"Longest wait for the shared token store; then the minter is asked.",
			func(s *Settings) *time.Duration { return &s.StoreTimeout }),
		seconds("GRANTWAY_IDP_TIMEOUT_SECONDS", "", 10, 0.1, 120,
			"Longest request to a token endpoint, body included.",
			func(s *Settings) *time.Duration { return &s.IdPTimeout }),
		count("GRANTWAY_IDP_BODY_BYTES", "", Bytes, 64<<10, 1<<10, 1<<20,
			"Largest answer of a token endpoint.",
			func(s *Settings) *int { return &s.IdPBodyLimit }),
		seconds("GRANTWAY_MINTER_TIMEOUT_SECONDS", "", 25, 1, 300,
			"Longest wait for the minter; then the instance mints by itself.",
			func(s *Settings) *time.Duration { return &s.MinterTimeout }),
		seconds("GRANTWAY_METADATA_TIMEOUT_SECONDS", "", 10, 0.1, 120,
			"Longest request for authorization server or resource metadata.",
			func(s *Settings) *time.Duration { return &s.MetadataTimeout }),
		count("GRANTWAY_METADATA_BODY_BYTES", "", Bytes, 128<<10, 1<<10, 1<<20,
			"Largest metadata document.",
			func(s *Settings) *int { return &s.MetadataLimit }),
		seconds("GRANTWAY_METADATA_LIFE_SECONDS", "", hour, 60, day,
			"How long a discovered token endpoint is used before it is looked up again.",
			func(s *Settings) *time.Duration { return &s.MetadataLife }),
		seconds("GRANTWAY_METADATA_RETRY_SECONDS", "", 10, 1, hour,
			"How long a failed discovery is remembered.",
			func(s *Settings) *time.Duration { return &s.MetadataRetry }),
		seconds("GRANTWAY_BACKOFF_BASE_SECONDS", "", 1, 0.1, hour,
			"First pause after the identity provider was unavailable (network, timeout, 429, 5xx); doubles with each failure.",
			func(s *Settings) *time.Duration { return &s.BackoffBase }),
		seconds("GRANTWAY_BACKOFF_CAP_SECONDS", "", 60, 0.1, day,
			"Longest pause after the identity provider was unavailable.",
			func(s *Settings) *time.Duration { return &s.BackoffCap }),
		part("GRANTWAY_BACKOFF_JITTER", 0.2, 0, 1,
			"Part of a pause by which it is made longer at random.",
			func(s *Settings) *float64 { return &s.BackoffJitter }),
		seconds("GRANTWAY_REJECTED_LIFE_SECONDS", "", 10, 0.1, day,
			"First pause after the identity provider refused the client (invalid_client, access_denied, 401, 403); doubles.",
			func(s *Settings) *time.Duration { return &s.RejectedLife }),
		seconds("GRANTWAY_REJECTED_CAP_SECONDS", "", 300, 0.1, day,
			"Longest pause after the identity provider refused the client.",
			func(s *Settings) *time.Duration { return &s.RejectedCap }),
		seconds("GRANTWAY_MISCONFIGURED_LIFE_SECONDS", "", 10, 0.1, day,
			"First pause after an answer that only a change of configuration mends (a redirect, HTML, invalid_scope, 404); doubles.",
			func(s *Settings) *time.Duration { return &s.MisconfiguredLife }),
		seconds("GRANTWAY_MISCONFIGURED_CAP_SECONDS", "", 300, 0.1, day,
			"Longest pause after an answer that only a change of configuration mends.",
			func(s *Settings) *time.Duration { return &s.MisconfiguredCap }),
		seconds("GRANTWAY_RETRY_AFTER_CAP_SECONDS", "", hour, 1, day,
			"Longest Retry-After of an identity provider that is obeyed.",
			func(s *Settings) *time.Duration { return &s.RetryAfterCap }),
		seconds("GRANTWAY_RECORD_REREAD_SECONDS", "", 1, 0.1, hour,
			"Shortest time between two readings of one server record, in one instance, because the identity provider refused its client.",
			func(s *Settings) *time.Duration { return &s.RecordReread }),
		seconds("GRANTWAY_FAILURE_RECHECK_SECONDS", "", 5, 0.1, hour,
			"How long an instance answers with a failure that it has heard of before it asks the minter again: a purge elsewhere may have ended it.",
			func(s *Settings) *time.Duration { return &s.FailureRecheck }),
		count("GRANTWAY_REPLAY_BODY_BYTES", "", Bytes, 1<<20, 0, 16<<20,
			"Largest request body that is kept so that the request can be sent again after an upstream 401.",
			func(s *Settings) *int { return &s.ReplayBodyLimit }),
		seconds("GRANTWAY_ASSERTION_LIFE_SECONDS", "", 60, 10, 300,
			"Life of a client assertion (private_key_jwt, client_secret_jwt).",
			func(s *Settings) *time.Duration { return &s.AssertionLife }),
		seconds("GRANTWAY_PERSON_GRANT_SECONDS", "", day, 60, 30*day,
			"How long an MCP client may use an interactive server for a person who has allowed it without an access key, from when the person signed in at the identity provider.",
			func(s *Settings) *time.Duration { return &s.PersonGrant }),
		{Name: "GRANTWAY_ALLOW_LOOPBACK", Unit: Switch, Default: 0, Min: 0, Max: 1,
			Description: "Development switch: plain http is allowed, and only to this machine. Never set it on a public deployment.",
			set:         func(s *Settings, x float64) { s.AllowLoopback = x == 1 }},
	}
}

func seconds(name, alias string, def, low, high float64, description string, field func(*Settings) *time.Duration) Variable {
	return Variable{name, alias, Seconds, def, low, high, description, func(s *Settings, x float64) { *field(s) = duration(x) }}
}

func count(name, alias string, unit Unit, def, low, high float64, description string, field func(*Settings) *int) Variable {
	return Variable{name, alias, unit, def, low, high, description, func(s *Settings, x float64) { *field(s) = int(x) }}
}

func part(name string, def, low, high float64, description string, field func(*Settings) *float64) Variable {
	return Variable{name, "", Part, def, low, high, description, func(s *Settings, x float64) { *field(s) = x }}
}
