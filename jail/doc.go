// Package jail builds a jail from a Spec and says afterwards whether it is the one that was asked for. It knows nothing of workers or of
// configuration: what the master needs travels through it as an opaque payload.
//
// Two processes use it. The parent, outside, calls Start; the master, inside, calls Receive and Enter:
//
//	parent                                     master (PID 1 of a new pid namespace)
//	  |  clone(namespace flags) + exec itself        |
//	  |--------------------------------------------->|
//	  |  boot {generation, spec, payload}            | Receive
//	  |--------------------------------------------->|
//	  |                                              | Enter: Spec.Steps, one after the other, then the audit
//	  |  entered {audit}  or  step_failed {...}      |
//	  |<---------------------------------------------|
//	  |  ready, note, asked ... / leave              |
//	  |<-------------------------------------------->|
//
// Either side learns from the end of file on the socket that the other one is gone.
//
// Entering fails closed. A step that cannot be done ends it with the step's name, argument and errno (StepError); there is no step whose
// failure is only logged. The order of the steps is one literal list, Spec.Steps; what each of them stops is told in docs/jail.md.
package jail
