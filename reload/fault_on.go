//go:build fault

package reload

import (
	"errors"
	"fmt"
	"os"
)

// faultIn fails the step that GOWSGI_FAULT names, for tests of the binary; NAME! is a fault of the program there.
func faultIn(step string) error {
	switch os.Getenv("GOWSGI_FAULT") {
	case step:
		return fmt.Errorf("cannot %s: a fault was asked for", step)
	case step + "!":
		var none []string
		return errors.New(none[len(step)])
	}
	return nil
}
