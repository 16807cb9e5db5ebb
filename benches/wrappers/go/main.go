// Measures the Go package beside golang.org/x/oauth2, and prints a table; -tiny for a test.
//
// Ends with code 1 if the package missed a bar. Takes the credentials from the environment.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"bankhub.invalid/bankhub"
	"golang.org/x/oauth2"
)

const (
	oneShare, twoShare = 0.75, 0.4 // of oauth2's time at most
	allocsMax          = 0
)

type way struct {
	name string
	call func()
}

// atOnce answers every request without a network.
type atOnce struct{}

func (atOnce) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
}

func main() {
	tiny := flag.Bool("tiny", false, "too brief to say anything")
	flag.Parse()
	rounds, calls := 25, 500_000
	if *tiny {
		rounds, calls = 3, 100
	}
	cache, err := bankhub.FromEnv()
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if _, err := cache.Get(ctx); err != nil {
		log.Fatal(err)
	}
	source := oauth2.ReuseTokenSource(&oauth2.Token{AccessToken: "token", Expiry: time.Now().Add(time.Hour)}, nil)
	gets := []way{
		{"`TokenCache.Get`, Go", func() { cache.Get(ctx) }},
		{"oauth2's `ReuseTokenSource`", func() { source.Token() }},
	}
	request, err := http.NewRequest("GET", os.Getenv("BANKHUB_BASE_URL")+"/v1/company", nil)
	if err != nil {
		log.Fatal(err)
	}
	ours, theirs := cache.Transport(atOnce{}), &oauth2.Transport{Source: source, Base: atOnce{}}
	transports := []way{
		{"`TokenCache.Transport`, a request", func() { ours.RoundTrip(request) }},
		{"oauth2's `Transport`, a request", func() { theirs.RoundTrip(request) }},
	}

	fmt.Printf("| ns a call, %s, of so many goroutines | 1 | 2 |\n|---|--:|--:|\n", runtime.Version())
	one, two := table(gets, rounds, calls)
	table(transports, rounds, calls/10)
	allocs := testing.AllocsPerRun(100, gets[0].call)
	if !*tiny && (one > oneShare || two > twoShare || allocs > allocsMax) {
		fmt.Fprintf(os.Stderr, "Get takes %.2f of oauth2's time, %.2f in parallel, and %.0f allocations\n", one, two, allocs)
		os.Exit(1)
	}
}

// table prints a line for each way, and returns the first one's share of the second one's time on 1 and 2 goroutines.
func table(ways []way, rounds, calls int) (one, two float64) {
	ns := [2][][]float64{times(ways, 1, rounds, calls), times(ways, 2, rounds, calls)}
	for i, way := range ways {
		fmt.Printf("| %s | %.1f | %.1f |\n", way.name, median(ns[0][i]), median(ns[1][i]))
	}
	return share(ns[0]), share(ns[1])
}

// times returns nanoseconds a call of each way in rounds, in which all ways take their turns.
func times(ways []way, goroutines, rounds, calls int) [][]float64 {
	ns := make([][]float64, len(ways))
	for range rounds {
		for i, way := range ways {
			ns[i] = append(ns[i], round(way.call, goroutines, calls))
		}
	}
	return ns
}

// share compares within a round: a machine may be slower in some rounds than in others.
func share(ns [][]float64) float64 {
	shares := make([]float64, len(ns[0]))
	for i := range shares {
		shares[i] = ns[0][i] / ns[1][i]
	}
	return median(shares)
}

func median(values []float64) float64 {
	return slices.Sorted(slices.Values(values))[len(values)/2]
}

// round has every goroutine measure itself, from when all of them run: Go takes its time to wake a processor.
func round(call func(), goroutines, calls int) float64 {
	var ready atomic.Int32
	times := make(chan time.Duration, goroutines)
	for range goroutines {
		go func() {
			for ready.Add(1); int(ready.Load()) < goroutines; {
				runtime.Gosched()
			}
			begun := time.Now()
			for range calls {
				call()
			}
			times <- time.Since(begun)
		}()
	}
	var all time.Duration
	for range goroutines {
		all += <-times
	}
	return float64(all.Nanoseconds()) / float64(goroutines*calls)
}
