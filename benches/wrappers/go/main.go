// Measures the Go package and golang.org/x/oauth2 on demand for wrappers.py, which judges: ways.py says how they speak.
//
// Takes the credentials from the environment.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"log"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"bankhub.invalid/bankhub"
	"golang.org/x/oauth2"
)

// attemptsMax is how often a batch is measured at most.
const attemptsMax = 20

type way struct {
	name string
	call func()
}

// instant answers every request without a network.
type instant struct{}

func (instant) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
}

func main() {
	ways := waysToAToken()
	answers := json.NewEncoder(os.Stdout)
	names := make([]string, len(ways))
	for i, way := range ways {
		names[i] = way.name
	}
	answers.Encode(map[string]any{
		"runtime":     runtime.Version(),
		"ways":        names,
		"allocations": testing.AllocsPerRun(100, ways[0].call),
	})
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var numbers []int
		for _, word := range strings.Fields(lines.Text()) {
			number, err := strconv.Atoi(word)
			if err != nil {
				log.Fatal(err)
			}
			numbers = append(numbers, number)
		}
		answers.Encode(round(ways, numbers[0], numbers[1], numbers[2:]))
	}
}

func waysToAToken() []way {
	cache, err := bankhub.FromEnv()
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if _, err := cache.Get(ctx); err != nil {
		log.Fatal(err)
	}
	source := oauth2.ReuseTokenSource(&oauth2.Token{AccessToken: "token", Expiry: time.Now().Add(time.Hour)}, nil)
	request, err := http.NewRequest("GET", os.Getenv("BANKHUB_BASE_URL")+"/v1/company", nil)
	if err != nil {
		log.Fatal(err)
	}
	ours, theirs := cache.Transport(instant{}), &oauth2.Transport{Source: source, Base: instant{}}
	return []way{
		{"`TokenCache.Get`, Go", func() { cache.Get(ctx) }},
		{"oauth2's `ReuseTokenSource`", func() { source.Token() }},
		{"`TokenCache.Transport`, a request", func() { ours.RoundTrip(request) }},
		{"oauth2's `Transport`, a request", func() { theirs.RoundTrip(request) }},
	}
}

// round returns nanoseconds a call of each way, for each slice. Every other slice runs the ways in reverse.
func round(ways []way, goroutines, slices int, calls []int) [][]float64 {
	costs := make([][]float64, slices)
	for slice := range costs {
		costs[slice] = make([]float64, len(ways))
		for place := range ways {
			i := place
			if slice%2 == 1 {
				i = len(ways) - 1 - place
			}
			costs[slice][i] = cost(ways[i].call, goroutines, calls[i])
		}
	}
	return costs
}

// span is when a goroutine ran its calls, and how long it had a processor meanwhile.
type span struct {
	begun, ended time.Time
	busy         time.Duration
}

// cost repeats a batch whose goroutines did not run at the same time: a lock that nobody else wants costs less. On a
// machine where others take the processors, attempts are limited.
func cost(call func(), goroutines, calls int) (ns float64) {
	for range attemptsMax {
		spans := batch(call, goroutines, calls)
		var all time.Duration
		for _, span := range spans {
			all += span.ended.Sub(span.begun)
		}
		ns = float64(all.Nanoseconds()) / float64(goroutines*calls)
		if together(spans) {
			break
		}
	}
	return ns
}

// batch has every goroutine measure itself, from when all of them run: Go takes its time to wake a processor.
func batch(call func(), goroutines, calls int) []span {
	var ready atomic.Int32
	spans := make(chan span, goroutines)
	for range goroutines {
		go func() {
			for ready.Add(1); int(ready.Load()) < goroutines; {
				runtime.Gosched()
			}
			runtime.LockOSThread() // whose processor time it asks for
			defer runtime.UnlockOSThread()
			busy, begun := processorTime(), time.Now()
			for range calls {
				call()
			}
			spans <- span{begun, time.Now(), processorTime() - busy}
		}()
	}
	collected := make([]span, goroutines)
	for i := range collected {
		collected[i] = <-spans
	}
	return collected
}

// together says whether every goroutine had a processor for nearly all of its time, and at the same time as the others.
func together(spans []span) bool {
	from, to := spans[0].begun, spans[0].ended
	for _, one := range spans {
		if one.begun.After(from) {
			from = one.begun
		}
		if one.ended.Before(to) {
			to = one.ended
		}
	}
	for _, one := range spans {
		nearlyAll := one.ended.Sub(one.begun) * 8 / 10
		if one.busy < nearlyAll || to.Sub(from) < nearlyAll {
			return false
		}
	}
	return true
}

// processorTime is that of the calling thread.
func processorTime() time.Duration {
	const threadClock = 3 // CLOCK_THREAD_CPUTIME_ID of Linux
	var reading syscall.Timespec
	_, _, failed := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, threadClock, uintptr(unsafe.Pointer(&reading)), 0)
	if failed != 0 {
		log.Fatal(failed)
	}
	return time.Duration(reading.Nano())
}
