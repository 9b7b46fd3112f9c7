package logs

import (
	"regexp"
	"time"

	"github.com/dlclark/regexp2"
)

// Matcher is a regular expression.
type Matcher interface{ Match(line []byte) bool }

// matchTime bounds what a line of the app's may cost when its expression needs the engine that tries again and again.
const matchTime = 20 * time.Millisecond

// Compile makes a Matcher. Go's own engine takes time in proportion to the line; the other one knows the rest of PCRE (assertions, back
// references), which configurations use.
func Compile(expr string) (Matcher, error) {
	if re, err := regexp.Compile(expr); err == nil {
		return re, nil
	}
	re, err := regexp2.Compile(expr, regexp2.None)
	if err != nil {
		return nil, err
	}
	re.MatchTimeout = matchTime
	return perl{re}, nil
}

type perl struct{ re *regexp2.Regexp }

// Match counts a line that takes too long as one that does not match.
func (p perl) Match(line []byte) bool {
	ok, err := p.re.MatchString(string(line))
	return ok && err == nil
}
