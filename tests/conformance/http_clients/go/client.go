// The HTTP client for Go (../../PROTOCOL.md): sends requests through the transport of the wrapper.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"bankhub.invalid/bankhub"
)

const timeout = 10 * time.Second

var (
	cache   *bankhub.TokenCache
	client  *http.Client
	started []chan string
)

func main() {
	var err error
	if cache, err = bankhub.FromEnv(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	client = cache.HTTPClient()
	client.Jar, _ = cookiejar.New(nil)
	client.Timeout = timeout
	fmt.Println("ready go")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		words := strings.Split(lines.Text(), " ")
		for i, word := range words {
			words[i], _ = url.PathUnescape(word)
		}
		fmt.Println(reply(words[0], append(words[1:], "", "", ""))) // a missing word is ""
	}
}

func reply(verb string, words []string) string {
	switch verb {
	case "send":
		return send(request(words[0], words[1], body(words[2])))
	case "start":
		for count := number(words[0]); count > 0; count-- {
			done := make(chan string, 1)
			started = append(started, done)
			go func() { done <- reply("send", words[1:]) }()
		}
		return result()
	case "join":
		text := result("count", len(started))
		for ; len(started) > 0; started = started[1:] {
			text += "\n" + <-started[0]
		}
		return text
	case "cancel":
		return cancel(number(words[0]), request(words[1], words[2], nil))
	case "upload":
		return send(request("POST", words[2], slowChunks(number(words[0]), number(words[1]))))
	case "download":
		return download(request("GET", words[0], nil))
	case "header":
		r := request("GET", words[0], nil)
		r.Header.Set(words[1], words[2])
		return send(r)
	case "close":
		cache.Close()
		return result()
	}
	return "unknown"
}

func send(r *http.Request) string {
	response, err := client.Do(r)
	if err != nil {
		return failure(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return failure(err)
	}
	return result("status", response.StatusCode, "body", string(text))
}

func cancel(afterMs int, r *http.Request) string {
	begun := time.Now()
	ctx, end := context.WithTimeout(context.Background(), time.Duration(afterMs)*time.Millisecond)
	defer end()
	response, err := client.Do(r.WithContext(ctx))
	if err == nil {
		response.Body.Close()
	}
	cancelled := 0
	if errors.Is(err, context.DeadlineExceeded) {
		cancelled = 1
	}
	return result("cancelled", cancelled, "ms", time.Since(begun).Milliseconds())
}

func download(r *http.Request) string {
	response, err := client.Do(r)
	if err != nil {
		return failure(err)
	}
	defer response.Body.Close()
	var first, last time.Time
	length, buffer := 0, make([]byte, 64)
	for {
		n, err := response.Body.Read(buffer)
		if n > 0 {
			length, last = length+n, time.Now()
			if first.IsZero() {
				first = last
			}
		}
		if err == io.EOF {
			return result("status", response.StatusCode, "length", length, "spread_ms", last.Sub(first).Milliseconds())
		}
		if err != nil {
			return failure(err)
		}
	}
}

func request(method, target string, body io.Reader) *http.Request {
	r, err := http.NewRequest(method, target, body)
	if err != nil {
		panic(err)
	}
	return r
}

// body returns a reader that net/http can read again (GetBody), or one that it cannot.
func body(word string) io.Reader {
	kind, text, _ := strings.Cut(word, "=")
	switch kind {
	case "text":
		return strings.NewReader(text)
	case "once":
		return struct{ io.Reader }{strings.NewReader(text)}
	}
	return nil
}

func slowChunks(chunks, everyMs int) io.Reader {
	reader, writer := io.Pipe()
	go func() {
		for i := range chunks {
			if i > 0 {
				time.Sleep(time.Duration(everyMs) * time.Millisecond)
			}
			io.WriteString(writer, "chunk\n")
		}
		writer.Close()
	}()
	return reader
}

func failure(err error) string {
	name := fmt.Sprintf("%T", err)
	for kind, sentinel := range map[string]bankhub.Status{
		"ErrClosed": bankhub.ErrClosed, "ErrUnavailable": bankhub.ErrUnavailable,
		"ErrDeadlineExceeded": bankhub.ErrDeadlineExceeded,
	} {
		if errors.Is(err, sentinel) {
			name = kind
		}
	}
	return strings.Replace(result("type", name, "message", err.Error()), "ok", "error", 1)
}

func result(pairs ...any) string {
	text := "ok"
	for i := 0; i < len(pairs); i += 2 {
		text += fmt.Sprintf(" %s=%s", pairs[i], url.PathEscape(fmt.Sprint(pairs[i+1])))
	}
	return text
}

func number(word string) int {
	n, _ := strconv.Atoi(word)
	return n
}
