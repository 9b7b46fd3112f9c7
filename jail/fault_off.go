//go:build !fault

package jail

// faultFromEnv: only a binary built with the tag "fault" takes a step to fail from its environment.
func faultFromEnv() string { return "" }
