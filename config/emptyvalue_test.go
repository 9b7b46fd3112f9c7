package config

import "testing"

// TestNoValueCrashes gives every option values that real files have by mistake: none, a word, a number, signs alone. Whatever becomes of
// the line, reading it must not end the program: a reload reads it in a parent that serves.
func TestNoValueCrashes(t *testing.T) {
	values := []string{"", "x", "0", "-1", "=", ":", ",", "/", "@", ";", "a=", "=b", "a b", "''", "99999999999999999999", "a:b:c=d e"}
	for _, r := range table().byNameOrdered {
		if r.Status != StatusDone || r.Area == "config-logic" {
			continue
		}
		for _, v := range values {
			files := map[string]string{"/site/a.ini": "[uwsgi]\n" + r.Name + " = " + v + "\n"}
			_, _ = loadWith(files, "--ini", "a.ini")
		}
		_, _ = loadWith(nil, "--"+r.Name)
	}
}
