package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestFetchURL(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/site.ini":
			_, _ = w.Write([]byte("[uwsgi]\nmaster = true\n"))
		case "/big":
			_, _ = w.Write([]byte(strings.Repeat("x", 8<<20)))
		default:
			http.NotFound(w, r)
		}
	}))
	if text, err := fetchURL(server.URL + "/site.ini"); err != nil || string(text) != "[uwsgi]\nmaster = true\n" {
		t.Errorf("%q %v", text, err)
	}
	if text, err := fetchURL(server.URL + "/big"); err != nil || len(text) != 4<<20+1 {
		t.Errorf("%d bytes %v, want one more than is allowed", len(text), err)
	}
	if _, err := fetchURL(server.URL + "/none"); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("a missing page: %v", err)
	}
	server.Close()
	if _, err := fetchURL(server.URL + "/site.ini"); err == nil || strings.Contains(err.Error(), "site.ini") {
		t.Errorf("no server: %v", err)
	}
}
