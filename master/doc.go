// Package master is PID 1 of a jail (or a child subreaper without a pid namespace): it starts the Python zygote, has it
// fork the workers, replaces those that die, reaps whatever is reparented to it, and leaves when the parent says so.
//
// One goroutine owns everything. Signals, ends of children, packets from the zygote, frames from the parent and timers
// arrive as events on one channel; the machine (machine.go) is a pure function from event and time to a list of
// actions; the loop (loop.go) carries the actions out. So the whole life of a stack is tested without a process.
//
// Nothing here may end the process but the loop's own return: PID 1 that dies takes the jail with it.
package master
