"""Graphs, sorting, searching, number theory."""

from __future__ import annotations

import numpy as np

from tests.programs.case import Collection

program = Collection()


def _distances(rng):
    d = rng.random((9, 9)) * 10
    d[rng.random((9, 9)) < 0.5] = np.inf
    np.fill_diagonal(d, 0)
    return d


@program(lambda rng: (_distances(rng), 0))
def dijkstra(graph, source):
    n = graph.shape[0]
    dist = np.full(n, np.inf)
    visited = np.zeros(n, dtype=bool)
    dist[source] = 0
    parent = np.full(n, -1, dtype=int)
    for _ in range(n):
        u = -1
        best = np.inf
        for v in range(n):
            if not visited[v] and dist[v] < best:
                best = dist[v]
                u = v
        if u == -1:
            break
        visited[u] = True
        for v in range(n):
            if graph[u, v] < np.inf and not visited[v]:
                alt = dist[u] + graph[u, v]
                if alt < dist[v]:
                    dist[v] = alt
                    parent[v] = u
    return dist, parent


@program(lambda rng: (_distances(rng),))
def floyd_warshall(dist):
    d = dist.copy()
    n = len(d)
    for k in range(n):
        for i in range(n):
            for j in range(n):
                if d[i, k] + d[k, j] < d[i, j]:
                    d[i, j] = d[i, k] + d[k, j]
    return d


@program(lambda rng: (rng.integers(0, 12, 20), rng.integers(0, 12, 20), rng.random(20), 12))
def bellman_ford(src, dst, weight, n):
    dist = np.full(n, np.inf)
    dist[0] = 0.0
    for it in range(n - 1):
        changed = False
        for e in range(src.shape[0]):
            u, v = src[e], dst[e]
            if dist[u] + weight[e] < dist[v]:
                dist[v] = dist[u] + weight[e]
                changed = True
        if not changed:
            break
    else:
        raise ValueError("no convergence")
    return dist, it


@program(lambda rng: (np.array([0, 2, 4, 5, 7, 8, 8]), np.array([1, 2, 3, 4, 5, 0, 5, 2]), 0))
def bfs_csr(indptr, indices, start):
    n = len(indptr) - 1
    level = -np.ones(n, dtype=np.int64)
    queue = np.empty(n, dtype=np.int64)
    head, tail = 0, 1
    queue[0] = start
    level[start] = 0
    while head < tail:
        u = queue[head]
        head += 1
        for v in indices[indptr[u] : indptr[u + 1]]:
            if level[v] < 0:
                level[v] = level[u] + 1
                queue[tail] = v
                tail += 1
    return level, queue[:tail]


@program(lambda rng: (10, rng.integers(0, 10, (12, 2))))
def union_find(n, edges):
    parent = np.arange(n)

    def find(x):
        while parent[x] != x:
            parent[x] = parent[parent[x]]
            x = parent[x]
        return x

    components = n
    for a, b in edges:
        ra, rb = find(a), find(b)
        if ra != rb:
            parent[ra] = rb
            components -= 1
    return components, parent


@program(lambda rng: (rng.random((8, 8)) < 0.3,))
def topological_order(adj):
    adj = np.triu(adj, 1)
    n = adj.shape[0]
    indegree = adj.sum(axis=0)
    order = []
    ready = [i for i in range(n)]
    stack = np.zeros(n, int)
    top = 0
    for i in ready:
        if indegree[i] == 0:
            stack[top] = i
            top += 1
    while top:
        top -= 1
        u = stack[top]
        order.append(u)
        for v in range(n):
            if adj[u, v]:
                indegree[v] -= 1
                if indegree[v] == 0:
                    stack[top] = v
                    top += 1
    if len(order) != n:
        raise ValueError("cycle")
    return np.array(order)


@program(lambda rng: (rng.random((7, 7)) * 5,))
def prim(w):
    w = (w + w.T) / 2
    n = len(w)
    in_tree = np.zeros(n, bool)
    key = np.full(n, np.inf)
    key[0] = 0
    total = 0
    for _ in range(n):
        masked = np.where(in_tree, np.inf, key)
        u = np.argmin(masked)
        in_tree[u] = True
        total += key[u]
        better = (w[u] < key) & ~in_tree
        key[better] = w[u][better]
    return total


@program(lambda rng: (rng.random((6, 6)),))
def pagerank(links, d=0.85, tol=1e-10, max_iter=200):
    n = links.shape[0]
    M = links / links.sum(axis=0)
    r = np.ones(n) / n
    for iteration in range(max_iter):
        new = d * M @ r + (1 - d) / n
        if np.abs(new - r).sum() < tol:
            break
        r = new
    return new, iteration


@program(lambda rng: (rng.random(20),))
def bubble_sort(a):
    a = a.copy()
    n = len(a)
    while True:
        swapped = False
        for i in range(n - 1):
            if a[i] > a[i + 1]:
                a[i], a[i + 1] = a[i + 1], a[i]
                swapped = True
        n -= 1
        if not swapped:
            break
    return a


@program(lambda rng: (rng.integers(0, 100, 25),))
def insertion_sort(a):
    for i in range(1, a.size):
        key = a[i]
        j = i - 1
        while j >= 0 and a[j] > key:
            a[j + 1] = a[j]
            j = j - 1
        a[j + 1] = key


@program(lambda rng: (rng.random(30),))
def quicksort_iterative(arr):
    stack = np.zeros((64, 2), dtype=np.int64)
    top = 0
    stack[0, 0], stack[0, 1] = 0, len(arr) - 1
    while top >= 0:
        lo, hi = stack[top]
        top -= 1
        if lo >= hi:
            continue
        pivot = arr[hi]
        i = lo - 1
        for j in range(lo, hi):
            if arr[j] <= pivot:
                i += 1
                arr[i], arr[j] = arr[j], arr[i]
        arr[i + 1], arr[hi] = arr[hi], arr[i + 1]
        top += 1
        stack[top] = lo, i
        top += 1
        stack[top] = i + 2, hi
    return arr


@program(lambda rng: (rng.random(23),))
def heap_sort(a):
    def sift(heap, start, end):
        root = start
        while True:
            child = 2 * root + 1
            if child > end:
                break
            if child + 1 <= end and heap[child] < heap[child + 1]:
                child += 1
            if heap[root] < heap[child]:
                heap[root], heap[child] = heap[child], heap[root]
                root = child
            else:
                break

    n = len(a)
    for start in range((n - 2) // 2, -1, -1):
        sift(a, start, n - 1)
    for end in range(n - 1, 0, -1):
        a[end], a[0] = a[0], a[end]
        sift(a, 0, end - 1)
    return a


@program(lambda rng: (rng.random(16),))
def bitonic_sort(x):
    n = len(x)
    k = 2
    while k <= n:
        j = k // 2
        while j > 0:
            for i in range(n):
                l = i ^ j
                if l > i:
                    if (i & k == 0 and x[i] > x[l]) or (i & k != 0 and x[i] < x[l]):
                        x[i], x[l] = x[l], x[i]
            j //= 2
        k *= 2
    return x


@program(lambda rng: (rng.integers(0, 1000, 40),))
def radix_sort(a):
    out = a.copy()
    exp = 1
    while out.max() // exp > 0:
        count = np.zeros(10, dtype=int)
        for v in out:
            count[(v // exp) % 10] += 1
        pos = np.cumsum(count) - count
        nxt = np.empty_like(out)
        for v in out:
            digit = (v // exp) % 10
            nxt[pos[digit]] = v
            pos[digit] += 1
        out = nxt
        exp *= 10
    return out


@program(lambda rng: (np.sort(rng.random(50)), 0.5), lambda rng: (np.sort(rng.random(50)), 2.0))
def binary_search(a, target):
    lo, hi = 0, len(a)
    while lo < hi:
        mid = (lo + hi) >> 1
        if a[mid] < target:
            lo = mid + 1
        else:
            hi = mid
    return lo if lo < len(a) else None


@program(lambda rng: (100,), lambda rng: (2,))
def sieve(n):
    is_prime = np.ones(n + 1, dtype=bool)
    is_prime[:2] = False
    i = 2
    while i * i <= n:
        if is_prime[i]:
            is_prime[i * i :: i] = False
        i += 1
    return np.nonzero(is_prime)[0]


@program(lambda rng: (60,))
def primes_by_trial(limit):
    primes = []
    for candidate in range(2, limit):
        for p in primes:
            if candidate % p == 0:
                break
        else:
            primes.append(candidate)
    return np.array(primes)


@program(lambda rng: (60,))
def primes_scalar(limit):
    out = np.zeros(limit, np.int64)
    count = 0
    for n in range(2, limit):
        k = 2
        while k * k <= n:
            if n % k == 0:
                break
            k += 1
        else:
            out[count] = n
            count += 1
    return out[:count]


@program(lambda rng: (252, 105), lambda rng: (17, 0))
def gcd(a, b):
    while b:
        a, b = b, a % b
    return a


@program(lambda rng: (27,), lambda rng: (1,))
def collatz(n):
    steps = 0
    peak = n
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        peak = max(peak, n)
        steps += 1
    return steps, peak


@program(lambda rng: (360360,), lambda rng: (97,))
def factorize(n):
    factors = []
    d = 2
    while d * d <= n:
        while n % d == 0:
            factors.append(d)
            n //= d
        d += 1
    if n > 1:
        factors.append(n)
    return np.array(factors)


@program(lambda rng: (3, 200, 1009))
def power_mod(base, exponent, mod):
    result = 1
    base %= mod
    while exponent > 0:
        if exponent & 1:
            result = result * base % mod
        exponent >>= 1
        base = base * base % mod
    return result


@program(lambda rng: (8,))
def pascal(n):
    rows = np.zeros((n, n), dtype=int)
    for i in range(n):
        rows[i, 0] = rows[i, i] = 1
        for j in range(1, i):
            rows[i, j] = rows[i - 1, j - 1] + rows[i - 1, j]
    return rows


@program(lambda rng: (6,))
def n_queens(n):
    cols = np.full(n, -1)
    row = 0
    solutions = 0
    while row >= 0:
        cols[row] += 1
        while cols[row] < n:
            ok = True
            for r in range(row):
                if cols[r] == cols[row] or abs(cols[r] - cols[row]) == row - r:
                    ok = False
                    break
            if ok:
                break
            cols[row] += 1
        if cols[row] == n:
            cols[row] = -1
            row -= 1
        elif row == n - 1:
            solutions += 1
        else:
            row += 1
    return solutions
