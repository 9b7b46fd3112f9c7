package config

import (
	"fmt"
	"strconv"
	"strings"
)

// arithmetic evaluates words and signs from left to right, without precedence, as uWSGI does: + - * / with whole numbers, ++ and -- after a
// word; words that follow each other are joined as text. Parentheses group, which uWSGI reads as part of a word (and then as 0).
// ok is false when there is no sign and no word is a number or a known name: then it is no sum but text of another language.
func (x *expander) arithmetic(body string, depth int) (result string, ok bool, err error) {
	if depth > maxNesting {
		return "", false, errTooDeep
	}
	acc := accumulator{}
	known := false
	for rest := strings.TrimLeft(body, " "); rest != ""; rest = strings.TrimLeft(rest, " ") {
		var token string
		if rest[0] == '(' {
			end := closing(rest, 0)
			if end < 0 {
				return "", false, nil
			}
			inner, innerKnown, err := x.group(rest[1:end], depth+1)
			if err != nil {
				return "", false, err
			}
			known = known || innerKnown
			if err := acc.word(inner); err != nil {
				return "", false, err
			}
			rest = rest[end+1:]
			continue
		}
		token, rest, _ = strings.Cut(rest, " ")
		if acc.sign(token) {
			known = true
			continue
		}
		v, found, err := x.word(token, depth)
		if err != nil {
			return "", false, err
		}
		known = known || found
		if err := acc.word(v); err != nil {
			return "", false, err
		}
	}
	if !known {
		return "", false, nil
	}
	return acc.text, true, nil
}

// group is the text in parentheses: a sum, or one word.
func (x *expander) group(body string, depth int) (string, bool, error) {
	if v, ok, err := x.word(body, depth); ok || err != nil {
		return v, ok, err
	}
	v, ok, err := x.arithmetic(body, depth)
	return v, ok, err
}

// word is a number, or the value of a setting; an unknown name is nothing (0 in a sum).
func (x *expander) word(token string, depth int) (string, bool, error) {
	if v, ok, err := x.lookup(token, depth); ok || err != nil {
		return v, ok, err
	}
	if _, err := strconv.ParseInt(token, 10, 64); err == nil {
		return token, true, nil
	}
	return "", false, nil
}

// accumulator is the value so far and the sign that waits for its right side.
type accumulator struct {
	text    string
	pending byte
}

// sign takes an operator token and reports whether it was one.
func (a *accumulator) sign(token string) bool {
	switch token {
	case "+", "-", "*", "/":
		a.pending = token[0]
	case "++":
		a.text = strconv.FormatInt(leadingInt(a.text)+1, 10)
	case "--":
		a.text = strconv.FormatInt(leadingInt(a.text)-1, 10)
	default:
		return false
	}
	return true
}

func (a *accumulator) word(v string) error {
	if a.pending == 0 {
		if len(a.text)+len(v) > maxValue {
			return errTooLong
		}
		a.text += v
		return nil
	}
	left, right := leadingInt(a.text), leadingInt(v)
	var n int64
	switch a.pending {
	case '+':
		n = left + right
	case '-':
		n = left - right
	case '*':
		n = left * right
	case '/':
		if right == 0 {
			return fmt.Errorf("division by zero")
		}
		n = left / right
	}
	a.pending, a.text = 0, strconv.FormatInt(n, 10)
	return nil
}
