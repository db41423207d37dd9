"""Dynamic programming, strings of symbols, sequences."""

from __future__ import annotations

import numpy as np

from tests.programs.case import Collection

program = Collection()


def _two(rng):
    return rng.integers(0, 4, 17), rng.integers(0, 4, 23)


@program(_two)
def levenshtein(a, b):
    n, m = len(a), len(b)
    d = np.zeros((n + 1, m + 1), dtype=np.int64)
    for i in range(n + 1):
        d[i, 0] = i
    for j in range(m + 1):
        d[0, j] = j
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            cost = 0 if a[i - 1] == b[j - 1] else 1
            d[i, j] = min(d[i - 1, j] + 1, d[i, j - 1] + 1, d[i - 1, j - 1] + cost)
    return d[n, m]


@program(_two)
def two_row_levenshtein(a, b):
    if len(a) < len(b):
        a, b = b, a
    previous = np.arange(len(b) + 1)
    for i, x in enumerate(a):
        current = np.empty_like(previous)
        current[0] = i + 1
        for j, y in enumerate(b):
            current[j + 1] = min(previous[j + 1] + 1, current[j] + 1, previous[j] + (x != y))
        previous = current
    return previous[-1]


@program(_two)
def longest_common_subsequence(a, b):
    m, n = a.shape[0], b.shape[0]
    table = np.zeros((m + 1, n + 1), np.int32)
    for i in range(m):
        for j in range(n):
            if a[i] == b[j]:
                table[i + 1, j + 1] = table[i, j] + 1
            else:
                table[i + 1, j + 1] = max(table[i + 1, j], table[i, j + 1])
    out = np.zeros(table[m, n], a.dtype)
    i, j, k = m, n, table[m, n] - 1
    while i > 0 and j > 0:
        if a[i - 1] == b[j - 1]:
            out[k] = a[i - 1]
            i, j, k = i - 1, j - 1, k - 1
        elif table[i - 1, j] >= table[i, j - 1]:
            i -= 1
        else:
            j -= 1
    return out, table


@program(lambda rng: (rng.integers(1, 30, 12), rng.integers(1, 12, 12), 40))
def knapsack(values, weights, capacity):
    best = np.zeros(capacity + 1, dtype=np.int64)
    for v, w in zip(values, weights):
        for c in range(capacity, w - 1, -1):
            candidate = best[c - w] + v
            if candidate > best[c]:
                best[c] = candidate
    return int(best[capacity])


@program(lambda rng: (np.array([1, 5, 10, 25]), 63), lambda rng: (np.array([4, 6]), 7))
def coin_change(coins, amount):
    INF = 10**9
    dp = [INF] * (amount + 1)
    dp[0] = 0
    dp = np.array(dp)
    for a in range(1, amount + 1):
        for c in coins:
            if c <= a and dp[a - c] + 1 < dp[a]:
                dp[a] = dp[a - c] + 1
    return dp[amount] if dp[amount] < INF else -1


@program(lambda rng: (rng.integers(-10, 10, 40),))
def max_subarray(x):
    best = current = x[0]
    start = end = s = 0
    for i in range(1, len(x)):
        if current < 0:
            current = x[i]
            s = i
        else:
            current += x[i]
        if current > best:
            best, start, end = current, s, i
    return best, start, end


@program(lambda rng: (rng.integers(0, 50, 30),))
def longest_increasing(seq):
    n = len(seq)
    lengths = np.ones(n, dtype=int)
    prev = np.full(n, -1)
    for i in range(n):
        for j in range(i):
            if seq[j] < seq[i] and lengths[j] + 1 > lengths[i]:
                lengths[i] = lengths[j] + 1
                prev[i] = j
    k = int(np.argmax(lengths))
    path = []
    while k != -1:
        path.append(seq[k])
        k = prev[k]
    return np.array(path[::-1])


@program(lambda rng: (rng.integers(3, 20, 9),))
def matrix_chain(dims):
    n = len(dims) - 1
    cost = np.zeros((n, n))
    split = np.zeros((n, n), int)
    for length in range(2, n + 1):
        for i in range(n - length + 1):
            j = i + length - 1
            cost[i, j] = np.inf
            for k in range(i, j):
                q = cost[i, k] + cost[k + 1, j] + dims[i] * dims[k + 1] * dims[j + 1]
                if q < cost[i, j]:
                    cost[i, j] = q
                    split[i, j] = k
    return cost[0, n - 1], split


@program(lambda rng: (rng.random((5, 5)), rng.random((5, 7)), rng.random(5), rng.integers(0, 7, 20)))
def viterbi(trans, emit, start, obs):
    n_states = trans.shape[0]
    T = len(obs)
    logd = np.full((T, n_states), -np.inf)
    back = np.zeros((T, n_states), dtype=np.intp)
    logd[0] = np.log(start) + np.log(emit[:, obs[0]])
    for t in range(1, T):
        for s in range(n_states):
            scores = logd[t - 1] + np.log(trans[:, s])
            back[t, s] = scores.argmax()
            logd[t, s] = scores[back[t, s]] + np.log(emit[s, obs[t]])
    states = np.empty(T, dtype=np.intp)
    states[-1] = logd[-1].argmax()
    for t in reversed(range(T - 1)):
        states[t] = back[t + 1, states[t + 1]]
    return states, logd[-1].max()


@program(lambda rng: (rng.random((2, 15)), rng.random((2, 21))), rtol=1e-10)
def dynamic_time_warping(a, b, window=None):
    n, m = a.shape[1], b.shape[1]
    if window is None:
        window = max(n, m)
    D = np.full((n + 1, m + 1), np.inf)
    D[0, 0] = 0.0
    for i in range(1, n + 1):
        for j in range(max(1, i - window), min(m, i + window) + 1):
            dist = np.sqrt(np.sum((a[:, i - 1] - b[:, j - 1]) ** 2))
            D[i, j] = dist + min(D[i - 1, j], D[i, j - 1], D[i - 1, j - 1])
    i, j = n, m
    steps = 0
    while (i, j) != (1, 1) and i > 0 and j > 0:
        k = np.argmin(np.array([D[i - 1, j - 1], D[i - 1, j], D[i, j - 1]]))
        if k == 0:
            i -= 1
            j -= 1
        elif k == 1:
            i -= 1
        else:
            j -= 1
        steps += 1
    return D[n, m], steps


@program(lambda rng: (rng.integers(0, 4, 14), rng.integers(0, 4, 18), 2, -1, -2))
def needleman_wunsch(s, t, match, mismatch, gap):
    H = np.zeros((s.size + 1, t.size + 1))
    H[:, 0] = gap * np.arange(s.size + 1)
    H[0] = gap * np.arange(t.size + 1)
    for i in range(1, s.size + 1):
        for j in range(1, t.size + 1):
            diag = H[i - 1, j - 1] + (match if s[i - 1] == t[j - 1] else mismatch)
            H[i, j] = max(diag, H[i - 1, j] + gap, H[i, j - 1] + gap)
    align_s, align_t = [], []
    i, j = s.size, t.size
    while i > 0 or j > 0:
        if i > 0 and j > 0 and H[i, j] == H[i - 1, j - 1] + (match if s[i - 1] == t[j - 1] else mismatch):
            align_s.append(s[i - 1])
            align_t.append(t[j - 1])
            i -= 1
            j -= 1
        elif i > 0 and H[i, j] == H[i - 1, j] + gap:
            align_s.append(s[i - 1])
            align_t.append(-1)
            i -= 1
        else:
            align_s.append(-1)
            align_t.append(t[j - 1])
            j -= 1
    return H[-1, -1], np.array(align_s[::-1]), np.array(align_t[::-1])


@program(lambda rng: (np.array([0, 1, 2, 1, 0, 3, 3, 0]), np.array([0, 1, 2, 1, 0, 3, 3, 0, 1, 2, 0])))
def kmp_failure(pattern, text):
    fail = np.zeros(len(pattern), np.int64)
    k = 0
    for i in range(1, len(pattern)):
        while k > 0 and pattern[k] != pattern[i]:
            k = fail[k - 1]
        if pattern[k] == pattern[i]:
            k += 1
        fail[i] = k
    q = 0
    for i in range(len(text)):
        while q > 0 and pattern[q] != text[i]:
            q = fail[q - 1]
        if pattern[q] == text[i]:
            q += 1
        if q == len(pattern):
            return i - len(pattern) + 1
    return -1


@program(lambda rng: (rng.integers(0, 3, 50),))
def run_length(x):
    values = []
    counts = []
    i = 0
    while i < len(x):
        j = i
        while j < len(x) and x[j] == x[i]:
            j += 1
        values.append(x[i])
        counts.append(j - i)
        i = j
    return np.array(values), np.array(counts)


@program(lambda rng: (rng.integers(0, 2, 12),))
def count_transitions(bits):
    counts = {"00": 0, "01": 0, "10": 0, "11": 0}
    c = np.zeros((2, 2), int)
    for a, b in zip(bits[:-1], bits[1:]):
        c[a, b] += 1
    counts["00"], counts["01"], counts["10"], counts["11"] = c[0, 0], c[0, 1], c[1, 0], c[1, 1]
    return counts
