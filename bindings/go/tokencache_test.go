// Tests what only Go has: contexts, the garbage collector, allocations, goroutines.

package bankhub

import (
	"context"
	"errors"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestCancelEndsWaitNotFetch(t *testing.T) {
	_, tokens := newMockServer(t, "--latency-ms", "3000")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := tokens.Get(ctx)
		done <- err
	}()
	await(t, func() bool {
		stats, _ := tokens.Stats()
		return stats.Waiters == 1
	})

	cancel()
	cancelled := time.Now()
	err := <-done
	if took := time.Since(cancelled); took > time.Second {
		t.Errorf("Get returned %v after its context was cancelled", took)
	}
	if !errors.Is(err, context.Canceled) || !errors.Is(err, ErrDeadlineExceeded) {
		t.Errorf("got %v; want an error that is context.Canceled and ErrDeadlineExceeded", err)
	}
	if _, err := tokens.Get(t.Context()); err != nil {
		t.Errorf("the fetch of the cancelled call failed: %v", err)
	}
	if stats, _ := tokens.Stats(); stats.Requests != 1 {
		t.Errorf("%d token requests; want 1", stats.Requests)
	}
}

func TestDeadlineNamesLastFailure(t *testing.T) {
	s, tokens := newMockServer(t)
	s.post(t, "/responses", `{"count":3,"status":503,"headers":{},"body":""}`)
	_, failure := tokens.Get(t.Context())
	if !errors.Is(failure, ErrUnavailable) {
		t.Fatalf("got %v; want ErrUnavailable", failure)
	}
	s.post(t, "/settings", `{"latency_ms":60000}`)

	err := failure
	for errors.Is(err, ErrUnavailable) { // until the backoff is over
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		_, err = tokens.Get(ctx)
		cancel()
	}
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, ErrDeadlineExceeded) {
		t.Errorf("got %v; want an error that is context.DeadlineExceeded and ErrDeadlineExceeded", err)
	}
	if !strings.Contains(err.Error(), "503") {
		t.Errorf("%q does not name the last failure, %q", err, failure)
	}
}

func TestAppliesGetTimeoutWithoutDeadline(t *testing.T) {
	s, _ := newMockServer(t, "--latency-ms", "60000")
	config := s.config()
	config.GetTimeout = 50 * time.Millisecond
	tokens, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	defer tokens.Close()
	if _, err := tokens.Get(context.Background()); !errors.Is(err, ErrDeadlineExceeded) {
		t.Errorf("got %v; want ErrDeadlineExceeded", err)
	}
}

func TestReturnsValidTokenAfterContextEnds(t *testing.T) {
	_, tokens := newMockServer(t)
	want, err := tokens.Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := tokens.Get(ended); got != want || err != nil {
		t.Errorf("got %v, want the token", err)
	}
}

func TestAllocatesNothingForCachedToken(t *testing.T) {
	_, tokens := newMockServer(t)
	ctx := t.Context()
	get := func() {
		if _, err := tokens.Get(ctx); err != nil {
			t.Fatal(err)
		}
	}
	get()
	if allocations := testing.AllocsPerRun(1000, get); allocations != 0 {
		t.Errorf("%v allocations; want 0", allocations)
	}
}

// Without a limit, each waiting goroutine would hold a thread, and Go would end the program.
func TestLimitsThreadsOfWaitingGoroutines(t *testing.T) {
	defer debug.SetMaxThreads(debug.SetMaxThreads(500))
	_, tokens := newMockServer(t, "--latency-ms", "1000")
	failures := make([]error, 4000)
	var group sync.WaitGroup
	for i := range failures {
		group.Add(1)
		go func() {
			defer group.Done()
			_, failures[i] = tokens.Get(t.Context())
		}()
	}
	group.Wait()
	if err := errors.Join(failures...); err != nil {
		t.Error(err)
	}
	if stats, _ := tokens.Stats(); stats.Requests != 1 {
		t.Errorf("%d token requests; want 1", stats.Requests)
	}
}

func TestClosesUnusedCache(t *testing.T) {
	s, _ := newMockServer(t)
	var unused handle
	func() {
		tokens, err := New(s.config())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tokens.Get(t.Context()); err != nil {
			t.Fatal(err)
		}
		unused = tokens.handle
	}()
	await(t, func() bool {
		runtime.GC()
		return unused.generation() == 0
	})
	if _, err := unused.get(0); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v; want ErrClosed", err)
	}
}

func TestKeepsCacheOpenWhileCallWaits(t *testing.T) {
	s, _ := newMockServer(t, "--latency-ms", "300")
	ended := make(chan error)
	go func() {
		tokens, err := New(s.config())
		if err == nil {
			_, err = tokens.Get(t.Context())
		}
		ended <- err
	}()
	await(t, func() bool {
		runtime.GC()
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
			return true
		default:
			return false
		}
	})
}

func await(t *testing.T, reached func() bool) {
	t.Helper()
	for start := time.Now(); !reached(); time.Sleep(time.Millisecond) {
		if time.Since(start) > 10*time.Second {
			t.Fatal("the condition was not true within 10 s")
		}
	}
}

func BenchmarkGet(b *testing.B) {
	tokens, err := FromEnv()
	if err != nil {
		b.Fatal(err)
	}
	defer tokens.Close()
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tokens.Get(ctx); err != nil {
			b.Fatal(err)
		}
	}
}
