// Package metrics keeps the figures of a running instance and shows them.
//
// The figures live in the scoreboard (Board): one sealed memfd per generation of the stack, written by the workers (one
// area for each core, that is each thread) and by the master (one area for each worker), read by the master for its
// deadlines and limits and by the parent for everything shown outside. Nothing is sent per request and nothing is
// locked: every field is naturally aligned, has one writer and is read with one load.
//
// The parent does not trust what it reads. Everything behind the jail's line may be written by the app, so sizes and
// offsets come from the parent's own numbers, counters are held at their highest value seen, and every other field is
// brought into its range before it is used.
//
//	workers, master --> Board (one per generation) --> Store.Snapshot --+--> Stats (uWSGI's JSON) --> ServeStats, RenderTop
//	                                                   Info (the parent) +--> Collector (Prometheus) --> Handler
//
// Store adds the last values of ended generations to the live ones, so counters go on over respawn and reload.
package metrics
