"""Images, cellular automata, morphology, and code that dispatches on flags."""

from __future__ import annotations

import numpy as np

from tests.programs.case import Collection

program = Collection()
later = Collection()  # refused, with a remedy


def _image(rng):
    return rng.integers(0, 256, (12, 15)).astype(np.uint8)


@later(lambda rng: (_image(rng), 1))
def median_filter(img, r):
    h, w = img.shape
    out = np.zeros_like(img)
    for y in range(h):
        for x in range(w):
            y0, y1 = max(0, y - r), min(h, y + r + 1)
            x0, x1 = max(0, x - r), min(w, x + r + 1)
            out[y, x] = np.median(img[y0:y1, x0:x1])
    return out


@program(lambda rng: (_image(rng),))
def otsu(img):
    hist = np.zeros(256)
    for v in img.ravel():
        hist[v] += 1
    total = img.size
    sum_all = np.dot(np.arange(256), hist)
    w0, sum0, best, threshold = 0, 0.0, -1.0, 0
    for t in range(256):
        w0 += hist[t]
        if w0 == 0:
            continue
        w1 = total - w0
        if w1 == 0:
            break
        sum0 += t * hist[t]
        m0 = sum0 / w0
        m1 = (sum_all - sum0) / w1
        between = w0 * w1 * (m0 - m1) ** 2
        if between > best:
            best, threshold = between, t
    return threshold


@program(lambda rng: (rng.random((14, 14)) < 0.5,))
def label_components(mask):
    h, w = mask.shape
    labels = np.zeros((h, w), dtype=int)
    current = 0
    stack = np.zeros((h * w * 4, 2), dtype=int)
    for i in range(h):
        for j in range(w):
            if not mask[i, j] or labels[i, j]:
                continue
            current += 1
            top = 1
            stack[0] = i, j
            while top > 0:
                top -= 1
                y, x = stack[top]
                if y < 0 or y >= h or x < 0 or x >= w:
                    continue
                if not mask[y, x] or labels[y, x] != 0:
                    continue
                labels[y, x] = current
                for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
                    stack[top, 0] = y + dy
                    stack[top, 1] = x + dx
                    top += 1
    return labels, current


@program(lambda rng: ((rng.random((10, 12)) < 0.4).astype(np.uint8), 4))
def life_by_element(board, generations):
    h, w = board.shape
    for g in range(generations):
        nxt = np.zeros_like(board)
        for i in range(h):
            for j in range(w):
                n = 0
                for di in (-1, 0, 1):
                    for dj in (-1, 0, 1):
                        if di == 0 and dj == 0:
                            continue
                        n += board[(i + di) % h, (j + dj) % w]
                if board[i, j] == 1 and (n == 2 or n == 3):
                    nxt[i, j] = 1
                elif board[i, j] == 0 and n == 3:
                    nxt[i, j] = 1
        board = nxt
    return board


@program(lambda rng: (30, 31, 15), lambda rng: (110, 20, 5))
def elementary_automaton(rule, width, steps):
    table = np.array([(rule >> i) & 1 for i in range(8)], dtype=np.uint8)
    grid = np.zeros((steps, width), dtype=np.uint8)
    grid[0, width // 2] = 1
    for t in range(1, steps):
        for i in range(width):
            left = grid[t - 1, (i - 1) % width]
            centre = grid[t - 1, i]
            right = grid[t - 1, (i + 1) % width]
            grid[t, i] = table[4 * left + 2 * centre + right]
    return grid


@program(
    lambda rng: (_image(rng).astype(float), "sobel"),
    lambda rng: (_image(rng).astype(float), "prewitt"),
    lambda rng: (_image(rng).astype(float), "roberts"),
)
def edges(img, method="sobel"):
    if method == "sobel":
        kx = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    elif method == "prewitt":
        kx = np.array([[-1, 0, 1]] * 3)
    else:
        raise ValueError(f"unknown method {method!r}")
    ky = kx.T
    out = np.zeros_like(img)
    for i in range(1, img.shape[0] - 1):
        for j in range(1, img.shape[1] - 1):
            patch = img[i - 1 : i + 2, j - 1 : j + 2]
            gx = (kx * patch).sum()
            gy = (ky * patch).sum()
            out[i, j] = np.hypot(gx, gy)
    return out


@program(
    lambda rng: (rng.random((9, 11)), "reflect"),
    lambda rng: (rng.random((9, 11)), "wrap"),
    lambda rng: (rng.random((9, 11)), "constant"),
)
def box_blur(img, mode):
    def fetch(i, j):
        if mode == "wrap":
            return img[i % img.shape[0], j % img.shape[1]]
        elif mode == "reflect":
            if i < 0:
                i = -i - 1
            if i >= img.shape[0]:
                i = 2 * img.shape[0] - i - 1
            if j < 0:
                j = -j - 1
            if j >= img.shape[1]:
                j = 2 * img.shape[1] - j - 1
            return img[i, j]
        if 0 <= i < img.shape[0] and 0 <= j < img.shape[1]:
            return img[i, j]
        return 0.0

    out = np.zeros(img.shape)
    for i in range(img.shape[0]):
        for j in range(img.shape[1]):
            s = 0.0
            for di in range(-1, 2):
                for dj in range(-1, 2):
                    s += fetch(i + di, j + dj)
            out[i, j] = s / 9
    return out


@program(lambda rng: (rng.random((8, 8)), 13, 5))
def bilinear_resize(img, new_h, new_w):
    h, w = img.shape
    out = np.zeros((new_h, new_w), img.dtype)
    for i in range(new_h):
        for j in range(new_w):
            y = i * (h - 1) / (new_h - 1)
            x = j * (w - 1) / (new_w - 1)
            y0, x0 = int(y), int(x)
            y1, x1 = min(y0 + 1, h - 1), min(x0 + 1, w - 1)
            dy, dx = y - y0, x - x0
            out[i, j] = (
                img[y0, x0] * (1 - dy) * (1 - dx)
                + img[y0, x1] * (1 - dy) * dx
                + img[y1, x0] * dy * (1 - dx)
                + img[y1, x1] * dy * dx
            )
    return out


@program(lambda rng: (_image(rng).astype(np.float64),))
def floyd_steinberg(img):
    h, w = img.shape
    for y in range(h):
        for x in range(w):
            old = img[y, x]
            new = 255.0 if old > 127 else 0.0
            img[y, x] = new
            err = old - new
            if x + 1 < w:
                img[y, x + 1] += err * 7 / 16
            if y + 1 < h:
                if x > 0:
                    img[y + 1, x - 1] += err * 3 / 16
                img[y + 1, x] += err * 5 / 16
                if x + 1 < w:
                    img[y + 1, x + 1] += err / 16
    return img.astype(np.uint8)


@program(lambda rng: (_image(rng),))
def integral_image(img):
    h, w = img.shape
    s = np.zeros((h + 1, w + 1), dtype=np.uint64)
    for y in range(h):
        row = 0
        for x in range(w):
            row += img[y, x]
            s[y + 1, x + 1] = s[y, x + 1] + row
    return s


@program(lambda rng: (_image(rng) > 120,))
def distance_transform(mask):
    d = np.where(mask, np.inf, 0.0)
    rows, cols = d.shape
    for i in range(rows):
        for j in range(cols):
            if i > 0:
                d[i, j] = min(d[i, j], d[i - 1, j] + 1)
            if j > 0:
                d[i, j] = min(d[i, j], d[i, j - 1] + 1)
    for i in range(rows - 1, -1, -1):
        for j in range(cols - 1, -1, -1):
            if i < rows - 1:
                d[i, j] = min(d[i, j], d[i + 1, j] + 1)
            if j < cols - 1:
                d[i, j] = min(d[i, j], d[i, j + 1] + 1)
    return d


@program(lambda rng: (rng.random((6, 7, 3)),))
def rgb_to_hsv(rgb):
    out = np.zeros_like(rgb)
    for i in range(rgb.shape[0]):
        for j in range(rgb.shape[1]):
            r, g, b = rgb[i, j]
            mx = max(r, g, b)
            mn = min(r, g, b)
            d = mx - mn
            if d == 0:
                h = 0
            elif mx == r:
                h = ((g - b) / d) % 6
            elif mx == g:
                h = (b - r) / d + 2
            else:
                h = (r - g) / d + 4
            s = 0 if mx == 0 else d / mx
            out[i, j] = h * 60, s, mx
    return out


@program(lambda rng: (40, 30, 2, 3, 35, 25), lambda rng: (40, 30, 35, 25, 2, 3))
def bresenham(w, h, x0, y0, x1, y1):
    canvas = np.zeros((h, w), dtype=bool)
    dx, dy = abs(x1 - x0), -abs(y1 - y0)
    sx = 1 if x0 < x1 else -1
    sy = 1 if y0 < y1 else -1
    err = dx + dy
    while True:
        canvas[y0, x0] = True
        if x0 == x1 and y0 == y1:
            break
        e2 = 2 * err
        if e2 >= dy:
            err += dy
            x0 += sx
        if e2 <= dx:
            err += dx
            y0 += sy
    return canvas


@program(lambda rng: (rng.random((20, 4)), rng.random(20), 0.3))
def greedy_nms(boxes, scores, threshold):
    boxes = boxes.copy()
    boxes[:, 2:] += boxes[:, :2]
    order = scores.argsort()[::-1]
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    keep = []
    while order.size > 0:
        i = order[0]
        keep.append(i)
        xx1 = np.maximum(boxes[i, 0], boxes[order[1:], 0])
        yy1 = np.maximum(boxes[i, 1], boxes[order[1:], 1])
        xx2 = np.minimum(boxes[i, 2], boxes[order[1:], 2])
        yy2 = np.minimum(boxes[i, 3], boxes[order[1:], 3])
        inter = np.maximum(0.0, xx2 - xx1) * np.maximum(0.0, yy2 - yy1)
        iou = inter / (areas[i] + areas[order[1:]] - inter)
        inds = np.where(iou <= threshold)[0]
        order = order[inds + 1]
    return np.array(keep)


@program(lambda rng: (rng.random((6, 6)),))
def seam(energy):
    h, w = energy.shape
    cost = energy.copy()
    for i in range(1, h):
        for j in range(w):
            lo = max(j - 1, 0)
            hi = min(j + 2, w)
            cost[i, j] += cost[i - 1, lo:hi].min()
    path = np.zeros(h, dtype=int)
    path[-1] = np.argmin(cost[-1])
    for i in range(h - 2, -1, -1):
        j = path[i + 1]
        lo = max(j - 1, 0)
        path[i] = lo + np.argmin(cost[i, lo : min(j + 2, w)])
    return path


@program(
    lambda rng: (rng.random((5, 5)), 0),
    lambda rng: (rng.random((5, 5)), 1),
    lambda rng: (rng.random((5, 5)), None),
)
def normalise(x, axis):
    if axis is None:
        m, s = x.mean(), x.std()
    elif axis == 0:
        m, s = x.mean(0), x.std(0)
    else:
        m, s = x.mean(1, keepdims=True), x.std(1, keepdims=True)
    return (x - m) / s
