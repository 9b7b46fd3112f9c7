// Package reload is the parent: the process outside every jail that binds the sockets once, builds one generation after
// the other (configuration, jail, master, workers), and judges how each ends.
//
// The decisions are a pure function from event and time to actions (plan.go): a generation became ready, failed, ended;
// somebody asked for a reload or a stop. The parent (parent.go) has one goroutine that owns all state, feeds the events
// and carries the actions out. Nothing in here may end the process other than by returning the exit code.
package reload
