//go:build !fault

package reload

func faultIn(string) error { return nil }
