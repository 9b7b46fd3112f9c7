// Package logs is the parent's log hub. What the jail writes comes in over pipes and a socket (intake.go), is cut into lines, sent the
// way the configuration says (route.go, encode.go), and goes out through sinks (sink.go), each with a queue of bounded size and a
// goroutine of its own. Whoever writes a line never waits for whoever reads the log: a sink whose queue is full drops lines and counts
// them.
//
// Everything that comes from the jail is data: a line may be cut, it is never obeyed.
package logs
