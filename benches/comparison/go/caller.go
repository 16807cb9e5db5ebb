// Asks a library for tokens at given times: reads a plan per line, and answers with how long each call took.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"sync"
	"time"

	"bankhub.invalid/bankhub"
)

const (
	// lead is how long before the first call the threads are started, so that all of them are waiting by then.
	lead = 100 * time.Millisecond

	// overtime is how long after the end a thread still makes the calls it owes.
	overtime = time.Second
)

// plan is when to call: thread number i at i times apart, and every period after that, until the end.
type plan struct {
	threads            int
	apart, period, end time.Duration
}

// call is when it was due, how long it took, and whether it returned a token.
type call struct {
	due, took time.Duration
	served    bool
}

func main() {
	get := map[string]func() func() error{"bankhub": getFromBankHub, "oauth2": getFromOAuth2}[os.Args[1]]()
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var apart, period, end float64
		var p plan
		if _, err := fmt.Sscan(lines.Text(), &p.threads, &apart, &period, &end); err != nil {
			log.Fatal(err)
		}
		p.apart, p.period, p.end = milliseconds(apart), milliseconds(period), milliseconds(end)
		if err := json.NewEncoder(os.Stdout).Encode(p.run(get)); err != nil {
			log.Fatal(err)
		}
	}
}

func getFromBankHub() func() error {
	cache, err := bankhub.FromEnv()
	if err != nil {
		log.Fatal(err)
	}
	return func() error {
		_, err := cache.Get(context.Background())
		return err
	}
}

// run returns the calls of each thread.
func (p plan) run(get func() error) [][]call {
	calls := make([][]call, p.threads)
	start := time.Now().Add(lead)
	var running sync.WaitGroup
	for i := range calls {
		running.Add(1)
		go func() {
			defer running.Done()
			calls[i] = p.calls(get, start, time.Duration(i)*p.apart)
		}()
	}
	running.Wait()
	return calls
}

// calls returns those of one thread. A call counts from when it was due: if it had to wait for the call before it, that
// counts, too. But it does not count from before the machine woke the thread, which may be late.
func (p plan) calls(get func() error, start time.Time, due time.Duration) (calls []call) {
	for awake := due; due < p.end; due += p.period {
		if early := due - time.Since(start); early > 0 {
			time.Sleep(early)
			awake = time.Since(start)
		}
		served := time.Since(start) < p.end+overtime && get() == nil
		calls = append(calls, call{due, time.Since(start) - max(due, awake), served})
	}
	return calls
}

func milliseconds(count float64) time.Duration {
	return time.Duration(count * float64(time.Millisecond))
}

// MarshalJSON writes both times in milliseconds.
func (c call) MarshalJSON() ([]byte, error) {
	return json.Marshal([]any{inMilliseconds(c.due), inMilliseconds(c.took), c.served})
}

func inMilliseconds(length time.Duration) float64 {
	return float64(length) / float64(time.Millisecond)
}
