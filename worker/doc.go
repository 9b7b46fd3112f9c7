// Package worker knows what a child of the master is and how it starts: the Python zygote (its command line, descriptors
// and boot document) and the messages that the zygote and its workers send back. It starts no process itself: the
// master does, because the goroutine that owns the process table must be the one that spawns.
package worker
