package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// networkTime bounds the wait for a name server and for a web server: a start or a reload waits with it.
const networkTime = 5 * time.Second

// lookupHost finds the addresses of a host, for resolve.
func lookupHost(host string) ([]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), networkTime)
	defer cancel()
	return net.DefaultResolver.LookupHost(ctx, host)
}

// fetchURL reads a text over HTTP, for @(http://...) and files named by a URL.
func fetchURL(url string) ([]byte, error) {
	client := &http.Client{Timeout: networkTime, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get(url)
	if err != nil {
		return nil, errors.Unwrap(err) // the URL is named by whoever asked
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the server says %s", answer.Status)
	}
	return io.ReadAll(io.LimitReader(answer.Body, 4*maxOutput+1))
}
