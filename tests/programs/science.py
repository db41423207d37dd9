"""Scientific codes: ODEs, PDEs, root finding, quadrature, linear algebra, Monte Carlo, signals."""

from __future__ import annotations

import math
from collections import namedtuple
from dataclasses import dataclass

import numpy as np

from tests.programs.case import Collection

program = Collection()

G = 6.674e-11
SIGMA, RHO, BETA = 10.0, 28.0, 8.0 / 3.0


def lorenz(t, s):
    x, y, z = s
    return np.array([SIGMA * (y - x), x * (RHO - z) - y, x * y - BETA * z])


def rk4_step(f, t, y, h):
    k1 = f(t, y)
    k2 = f(t + h / 2, y + h / 2 * k1)
    k3 = f(t + h / 2, y + h / 2 * k2)
    k4 = f(t + h, y + h * k3)
    return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


@program(lambda rng: (np.array([1.0, 1.0, 1.0]), 0.01, 50), rtol=1e-9)
def integrate_lorenz(y0, h, steps):
    out = np.empty((steps + 1, len(y0)))
    out[0] = y0
    t = 0
    for i in range(steps):
        out[i + 1] = rk4_step(lorenz, t, out[i], h)
        t += h
    return out, t


@program(lambda rng: (0.5, 2.0, 1e-9), rtol=1e-9)
def adaptive_euler(y0, t_end, tol):
    t, y, h = 0.0, y0, 0.1
    ts, ys = [t], [y]
    rejected = 0
    while t < t_end:
        if t + h > t_end:
            h = t_end - t
        full = y + h * -2 * y
        half = y + h / 2 * -2 * y
        half = half + h / 2 * -2 * half
        err = abs(full - half)
        if err > 1e-4:
            h *= 0.5
            rejected += 1
            continue
        t += h
        y = half
        ts.append(t)
        ys.append(y)
        if err < 1e-6:
            h *= 2
    return np.array(ts), np.array(ys), rejected


@program(lambda rng: (2.0,), lambda rng: (-1.0,))
def newton_sqrt(a):
    if a < 0:
        raise ValueError(f"cannot take the root of {a}")
    x = a
    for _ in range(100):
        nxt = 0.5 * (x + a / x)
        if abs(nxt - x) < 1e-12:
            return nxt
        x = nxt
    raise RuntimeError("did not converge")


@program(lambda rng: (0.0, 2.0), lambda rng: (2.0, 3.0))
def bisect(lo, hi, tol=1e-10):
    f = lambda x: x**3 - x - 1
    flo, fhi = f(lo), f(hi)
    if flo * fhi > 0:
        raise ValueError("f(a) and f(b) must have different signs")
    n = 0
    while hi - lo > tol and n < 200:
        mid = (lo + hi) / 2
        fm = f(mid)
        if fm == 0:
            break
        if flo * fm < 0:
            hi = mid
        else:
            lo, flo = mid, fm
        n += 1
    return (lo + hi) / 2, n


@program(lambda rng: (0.0, math.pi, 100))
def simpson(a, b, n):
    if n % 2:
        n += 1
    h = (b - a) / n
    total = math.sin(a) + math.sin(b)
    for i in range(1, n):
        total += (4 if i % 2 else 2) * math.sin(a + i * h)
    return total * h / 3


@program(lambda rng: (0.0, 1.0, 5))
def romberg(a, b, levels):
    R = np.zeros((levels, levels))
    h = b - a
    R[0, 0] = 0.5 * h * (math.exp(-a * a) + math.exp(-b * b))
    for i in range(1, levels):
        h /= 2
        s = 0.0
        for k in range(1, 2**i, 2):
            x = a + k * h
            s += math.exp(-x * x)
        R[i, 0] = 0.5 * R[i - 1, 0] + h * s
        for j in range(1, i + 1):
            R[i, j] = R[i, j - 1] + (R[i, j - 1] - R[i - 1, j - 1]) / (4**j - 1)
    return R


@program(lambda rng: (rng.random((6, 6)) + 6 * np.eye(6), rng.random(6)))
def gauss_solve(A, b):
    A = A.astype(float).copy()
    x = b.astype(float).copy()
    n = len(b)
    for k in range(n):
        p = k + np.argmax(np.abs(A[k:, k]))
        if A[p, k] == 0:
            raise np.linalg.LinAlgError("singular")
        if p != k:
            A[[k, p]] = A[[p, k]]
            x[[k, p]] = x[[p, k]]
        for i in range(k + 1, n):
            m = A[i, k] / A[k, k]
            A[i, k:] -= m * A[k, k:]
            x[i] -= m * x[k]
    for i in range(n - 1, -1, -1):
        x[i] = (x[i] - A[i, i + 1 :] @ x[i + 1 :]) / A[i, i]
    return x


@program(lambda rng: (rng.random((5, 5)),))
def lu_in_place(A):
    n = A.shape[0]
    perm = np.arange(n)
    sign = 1
    for k in range(n - 1):
        p = np.argmax(abs(A[k:, k])) + k
        if p != k:
            A[[k, p], :] = A[[p, k], :]
            perm[k], perm[p] = perm[p], perm[k]
            sign = -sign
        A[k + 1 :, k] /= A[k, k]
        A[k + 1 :, k + 1 :] -= np.outer(A[k + 1 :, k], A[k, k + 1 :])
    return perm, sign, sign * np.prod(np.diag(A))


@program(lambda rng: (rng.random((5, 5)),))
def gram_schmidt(V):
    basis = []
    for v in V:
        w = v - sum(np.dot(v, b) * b for b in basis)
        norm = np.linalg.norm(w)
        if norm > 1e-10:
            basis.append(w / norm)
    return np.array(basis)


@program(lambda rng: (rng.random((8, 8)) + 8 * np.eye(8), rng.random(8)))
def gauss_seidel(A, b, tol=1e-10, max_iter=1000):
    x = np.zeros_like(b)
    for it in range(max_iter):
        delta = 0.0
        for i in range(len(b)):
            s = b[i]
            for j in range(len(b)):
                if j != i:
                    s -= A[i, j] * x[j]
            new = s / A[i, i]
            delta = max(delta, abs(new - x[i]))
            x[i] = new
        if delta < tol:
            return x, it + 1
    return x, max_iter


@program(lambda rng: (np.eye(6) * 7 + rng.random((6, 6)), rng.random(6)))
def conjugate_gradient(A, b):
    A = A @ A.T
    x = np.zeros(len(b))
    r = b - A @ x
    p = r.copy()
    rs = r @ r
    history = []
    for i in range(len(b)):
        Ap = A @ p
        alpha = rs / (p @ Ap)
        x += alpha * p
        r -= alpha * Ap
        new = r @ r
        history.append(np.sqrt(new))
        if np.sqrt(new) < 1e-10:
            break
        p = r + (new / rs) * p
        rs = new
    return np.round(x, 6)


@program(lambda rng: (rng.random((5, 5)), 50), rtol=1e-9)
def power_iteration(A, n):
    A = A + A.T
    v = np.ones(A.shape[0])
    lam = None
    for _ in range(n):
        w = A @ v
        new = np.linalg.norm(w)
        v = w / new
        if lam is not None and abs(new - lam) < 1e-12:
            break
        lam = new
    return lam, v


@program(lambda rng: (rng.random((10, 10)), 20))
def jacobi_heat(u, steps):
    u = u.copy()
    for _ in range(steps):
        new = u.copy()
        for i in range(1, u.shape[0] - 1):
            for j in range(1, u.shape[1] - 1):
                new[i, j] = 0.25 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1])
        u = new
    return u


@program(lambda rng: (rng.random(6), rng.random(7) + 4, rng.random(6), rng.random(7)))
def thomas(a, b, c, d):
    n = len(d)
    cp = np.zeros(n - 1)
    dp = np.zeros(n)
    cp[0] = c[0] / b[0]
    dp[0] = d[0] / b[0]
    for i in range(1, n):
        den = b[i] - a[i - 1] * cp[i - 1]
        if i < n - 1:
            cp[i] = c[i] / den
        dp[i] = (d[i] - a[i - 1] * dp[i - 1]) / den
    x = np.zeros(n)
    x[-1] = dp[-1]
    for i in range(n - 2, -1, -1):
        x[i] = dp[i] - cp[i] * x[i + 1]
    return x


@program(lambda rng: (rng.random((4, 3)), rng.random((4, 3)), rng.random(4) + 1, 5))
def n_body(pos, vel, mass, steps, dt=0.01):
    n = len(mass)
    energies = np.zeros(steps)
    for step in range(steps):
        acc = np.zeros((n, 3))
        for i in range(n):
            for j in range(n):
                if i == j:
                    continue
                r = pos[j] - pos[i]
                d = np.sqrt((r * r).sum() + 1e-3)
                acc[i] += mass[j] * r / d**3
        vel += acc * dt
        pos += vel * dt
        ke = 0.5 * np.sum(mass[:, None] * vel**2)
        pe = 0.0
        for i in range(n):
            for j in range(i + 1, n):
                pe -= mass[i] * mass[j] / np.linalg.norm(pos[i] - pos[j])
        energies[step] = ke + pe
    return energies


Particle = namedtuple("Particle", "x v m")


@dataclass
class Box:
    lower: float
    upper: float
    bounces: np.ndarray


@program(lambda rng: (Particle(rng.random(5), rng.random(5) - 0.5, 2.0), Box(0.0, 1.0, np.zeros(5, int)), 30))
def bounce(p, box, steps):
    x, v = p.x.copy(), p.v.copy()
    for _ in range(steps):
        x += 0.1 * v
        hit = (x < box.lower) | (x > box.upper)
        v[hit] *= -1
        box.bounces[hit] += 1
        np.clip(x, box.lower, box.upper, out=x)
    return Particle(x, v, p.m), box.bounces.sum()


@program(lambda rng: (12345, 1000))
def lcg_pi(seed, n):
    state = seed
    inside = 0
    for _ in range(n):
        state = (1103515245 * state + 12345) % 2**31
        x = state / 2**31
        state = (1103515245 * state + 12345) % 2**31
        y = state / 2**31
        if x * x + y * y <= 1.0:
            inside += 1
    return 4 * inside / n


@program(lambda rng: (rng.random((30, 20)), rng.standard_normal((30, 20)), 0.7))
def metropolis_ising(u, spins, beta):
    s = np.where(spins > 0, 1, -1)
    n, m = s.shape
    accepted = 0
    for i in range(n):
        for j in range(m):
            nb = s[(i + 1) % n, j] + s[i - 1, j] + s[i, (j + 1) % m] + s[i, j - 1]
            dE = 2 * s[i, j] * nb
            if dE <= 0 or u[i, j] < math.exp(-beta * dE):
                s[i, j] *= -1
                accepted += 1
    return s, accepted, abs(s.mean())


@program(lambda rng: (rng.random(64) + 1j * rng.random(64),), rtol=1e-9)
def fft_radix2(x):
    n = x.shape[0]
    levels = int(np.log2(n))
    if 2**levels != n:
        raise ValueError("size must be a power of 2")
    out = np.empty(n, dtype=complex)
    for i in range(n):
        r = 0
        for b in range(levels):
            if i & (1 << b):
                r |= 1 << (levels - 1 - b)
        out[r] = x[i]
    size = 2
    while size <= n:
        half = size // 2
        w = np.exp(-2j * np.pi * np.arange(half) / size)
        for start in range(0, n, size):
            even = out[start : start + half].copy()
            odd = out[start + half : start + size] * w
            out[start : start + half] = even + odd
            out[start + half : start + size] = even - odd
        size *= 2
    return out


@program(lambda rng: (-2.0, 0.5, -1.2, 1.2, 24, 16, 30))
def mandelbrot(xmin, xmax, ymin, ymax, width, height, max_iter):
    image = np.zeros((height, width), dtype=np.int32)
    for py in range(height):
        y0 = ymin + (ymax - ymin) * py / height
        for px in range(width):
            x0 = xmin + (xmax - xmin) * px / width
            c = complex(x0, y0)
            z = 0j
            for n in range(max_iter):
                z = z * z + c
                if abs(z) > 2:
                    break
            else:
                n = max_iter
            image[py, px] = n
    return image


@program(lambda rng: (rng.random((20, 2)), 3, 10))
def kmeans(points, k, iterations):
    centers = points[:k].copy()
    labels = None
    for it in range(iterations):
        d = ((points[:, None, :] - centers[None]) ** 2).sum(axis=2)
        new = d.argmin(axis=1)
        if labels is not None and (new == labels).all():
            break
        labels = new
        for c in range(k):
            mask = labels == c
            if mask.any():
                centers[c] = points[mask].mean(axis=0)
    return centers, labels, it


@program(lambda rng: (rng.random((12, 2)),))
def convex_hull(points):
    idx = np.lexsort((points[:, 1], points[:, 0]))
    pts = points[idx]

    def cross(o, a, b):
        return (a[0] - o[0]) * (b[1] - o[1]) - (a[1] - o[1]) * (b[0] - o[0])

    hull = np.zeros((2 * len(pts), 2))
    k = 0
    for i in range(len(pts)):
        while k >= 2 and cross(hull[k - 2], hull[k - 1], pts[i]) <= 0:
            k -= 1
        hull[k] = pts[i]
        k += 1
    t = k + 1
    for i in range(len(pts) - 2, -1, -1):
        while k >= t and cross(hull[k - 2], hull[k - 1], pts[i]) <= 0:
            k -= 1
        hull[k] = pts[i]
        k += 1
    return hull[: k - 1]


@program(lambda rng: (np.array([[0.0, 0], [2, 0], [2, 2], [0, 2]]), np.array([[1.0, 1], [3, 1], [-1, 0.5]])))
def points_in_polygon(polygon, points):
    out = np.zeros(len(points), dtype=bool)
    n = len(polygon)
    for k, (x, y) in enumerate(points):
        inside = False
        j = n - 1
        for i in range(n):
            xi, yi = polygon[i]
            xj, yj = polygon[j]
            if ((yi > y) != (yj > y)) and x < (xj - xi) * (y - yi) / (yj - yi) + xi:
                inside = not inside
            j = i
        out[k] = inside
    return out


@program(lambda rng: (rng.random(30), 0.3), lambda rng: (rng.random(30), 1.5))
def exponential_smoothing(x, alpha):
    if not 0 < alpha <= 1:
        raise ValueError(f"alpha must be in (0, 1], got {alpha:.2f}")
    s = x[0]
    out = [s]
    for v in x[1:]:
        s = alpha * v + (1 - alpha) * s
        out.append(s)
    return np.array(out)


@program(lambda rng: (np.array([0.2, -0.3]), np.array([1.0, 0.5, 0.25]), rng.random(40)))
def iir_filter(a, b, x):
    y = np.zeros_like(x)
    for n in range(len(x)):
        acc = 0
        for k in range(len(b)):
            if n - k >= 0:
                acc += b[k] * x[n - k]
        for k in range(len(a)):
            if n - k - 1 >= 0:
                acc -= a[k] * y[n - k - 1]
        y[n] = acc
    return y


@program(lambda rng: (np.sin(np.arange(60) * 0.4) + 0.01 * rng.random(60), 0.5))
def find_peaks(x, height=None):
    peaks = []
    for i in range(1, len(x) - 1):
        if x[i - 1] < x[i] > x[i + 1]:
            if height is None or x[i] >= height:
                peaks.append(i)
    peaks = np.array(peaks)
    return peaks, x[peaks]


@program(lambda rng: (rng.random((25, 2)),))
def kalman_1d(z):
    x = np.zeros(2)
    P = np.eye(2) * 10
    F = np.array([[1, 1], [0, 1.0]])
    H = np.array([[1.0, 0]])
    Q = 0.01 * np.eye(2)
    R = np.array([[0.5]])
    out = np.empty((len(z), 2))
    for i, (m, _) in enumerate(z):
        x = F @ x
        P = F @ P @ F.T + Q
        S = H @ P @ H.T + R
        K = P @ H.T / S[0, 0]
        x = x + K[:, 0] * (m - (H @ x)[0])
        P = (np.eye(2) - K @ H) @ P
        out[i] = x
    return out


@program(lambda rng: (rng.random(12), rng.random((4, 4))), rtol=1e-9)
def mixed_types(x, m):
    total = 0
    count = 0
    for i in range(len(x)):
        if x[i] > 0.5:
            total += x[i]
            count += 1
    mean = total / count if count else float("nan")
    largest = None
    for row in m:
        s = row.sum()
        if largest is None or s > largest:
            largest = s
    scale = 1
    for k in range(3):
        scale = scale * 0.5
    return mean, largest, scale
