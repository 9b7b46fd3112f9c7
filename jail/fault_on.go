//go:build fault

package jail

import "os"

// faultFromEnv names the step to fail, for tests of the binary: GOWSGI_FAULT=NAME fails it, NAME! kills the process there.
func faultFromEnv() string { return os.Getenv("GOWSGI_FAULT") }
