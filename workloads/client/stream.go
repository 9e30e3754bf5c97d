package client

import "time"

// Times is when a record was to be sent and when it was handed to the
// producer, on whatever clock the caller uses for both.
type Times struct{ Intended, Sent time.Duration }
