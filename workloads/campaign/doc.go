// Package campaign runs many seeds of a scenario and keeps what came of each,
// on one machine or on many that know nothing of each other.
//
// # Which seeds
//
// The seeds of a campaign are numbered by ordinals 0, 1, 2 …: ordinal k is the
// first seed plus k, or is drawn from the campaign's name ([Manifest.Seed]), so
// that every night has new ones. Shard i of n runs the ordinals k with
// k mod n = i-1 ([Manifest.Mine]). Each seed is a program of its own, so it does
// not matter which machine runs it; what matters is that each is run once, and
// that is proved afterwards, by [Merge], from what the shards wrote.
//
// # What is kept
//
// A campaign writes a directory:
//
//	campaign.json   which campaign and shard this is, what ran, how it ended ([Manifest])
//	results.jsonl   one line per seed, appended as they finish ([Result])
//	fail/<seed>/    the result directory of the first seeds of each finding
//
// Lines are synced to the disk, so a campaign that was killed goes on where it
// was ([Open] with resume). A directory without an end in campaign.json says
// that its campaign was cut short.
//
// # Findings are data
//
// A seed that breaks a promise is a line like any other. Machines that run
// shards are retried when they fail, so a shard fails only if Weir or its
// machine did; whether the campaign passed is for [Merge] to say.
//
// The package does not know how a seed is run: [Run] is given a function.
package campaign
