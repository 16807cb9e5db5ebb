// Lets callers wait for a token on one thread together, however many they are.

using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Diagnostics;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;

namespace BankHub
{
    /// <summary>The callers of GetAsync that wait. To wake them takes no thread of the pool.</summary>
    /// <remarks>
    /// The threads are not of the pool, because a program may block all of those with calls that wait for a token.
    /// </remarks>
    internal sealed class Waiters
    {
        /// <summary>How long the thread waits inside the library before it looks for other callers.</summary>
        private static readonly TimeSpan WaitMax = TimeSpan.FromMilliseconds(100);

        /// <summary>A continuation that takes longer does not delay the other callers.</summary>
        private static readonly TimeSpan ContinuationMax = TimeSpan.FromMilliseconds(50);

        private readonly Func<TimeSpan, Token> get; // waits inside the library
        private readonly object mutex = new object();
        private List<Waiter> waiting = new List<Waiter>(); // while not empty, one thread waits for all

        public Waiters(Func<TimeSpan, Token> get)
        {
            this.get = get;
        }

        public Task<string> Add(TimeSpan timeout, CancellationToken cancellationToken)
        {
            var waiter = new Waiter(timeout, cancellationToken);
            bool isFirst;
            lock (mutex)
            {
                waiting.Add(waiter);
                isFirst = waiting.Count == 1;
            }
            if (isFirst)
                StartToWait();
            return waiter.Task;
        }

        private void StartToWait()
        {
            try { Start(Wait); }
            catch (Exception e) // of which type depends on the runtime
            {
                const string advice = "raise the limit on threads or memory";
                var message = $"no thread could be started to wait for the token: {e.Message}; {advice}";
                Complete(End(null, new BankHubException(BankHubStatus.Internal, message), out _));
            }
        }

        // Waits until the wait of one or more callers ends. A new thread then waits for the others.
        private void Wait()
        {
            ConcurrentQueue<Action> ended;
            bool others;
            do
            {
                Token token = null;
                Exception error = null;
                try { token = get(Shortest()); }
                catch (Exception e) { error = e; }
                ended = End(token, error, out others);
            }
            while (ended.IsEmpty && others);
            if (others)
                StartToWait();
            while (!ended.IsEmpty)
            {
                try { Start(() => Complete(ended)).Join(ContinuationMax); }
                catch (Exception) { Complete(ended); } // no thread could be started
            }
        }

        private TimeSpan Shortest()
        {
            lock (mutex)
                return waiting.Select(waiter => waiter.Left).Append(WaitMax).Min();
        }

        // Takes the callers away whose wait has ended. After a timeout, only those whose own timeout has passed.
        private ConcurrentQueue<Action> End(Token token, Exception error, out bool others)
        {
            var isTimeout = error is BankHubException e && e.Status == BankHubStatus.DeadlineExceeded;
            lock (mutex)
            {
                waiting.RemoveAll(waiter => waiter.Task.IsCompleted); // cancelled
                var kinds = waiting.ToLookup(waiter => !isTimeout || waiter.Left <= TimeSpan.Zero);
                waiting = kinds[false].ToList();
                others = waiting.Count > 0;
                return new ConcurrentQueue<Action>(
                    kinds[true].Select<Waiter, Action>(waiter => () => waiter.Complete(token, error)));
            }
        }

        // The continuations of the callers run here.
        private static void Complete(ConcurrentQueue<Action> ended)
        {
            while (ended.TryDequeue(out var complete))
                complete();
        }

        private static Thread Start(ThreadStart work)
        {
            var thread = new Thread(work) { IsBackground = true, Name = "bankhub" };
            thread.Start();
            return thread;
        }

        private sealed class Waiter
        {
            private readonly TaskCompletionSource<string> source = new TaskCompletionSource<string>();
            private readonly Stopwatch waited = Stopwatch.StartNew();
            private readonly TimeSpan timeout;
            private readonly CancellationTokenRegistration cancellation;

            public Waiter(TimeSpan timeout, CancellationToken cancellationToken)
            {
                this.timeout = timeout;
                // As a TaskCanceledException, by which programs recognise the timeout of HttpClient.
                cancellation = cancellationToken.Register(() => source.TrySetCanceled(cancellationToken));
            }

            public Task<string> Task => source.Task;

            public TimeSpan Left => Arguments.Left(timeout, waited);

            public void Complete(Token token, Exception error)
            {
                cancellation.Dispose();
                if (token != null)
                    source.TrySetResult(token.Value);
                else // one for each caller, because a throw writes its stack into it
                    source.TrySetException(error is BankHubException e ? new BankHubException(e) : error);
            }
        }
    }
}
