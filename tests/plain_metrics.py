"""The plain form of LLR, WSS, segmental SNR and BSS-eval: one frame, one band, one sample after another.

It is the oracle of the vectorised functions in `weakse.evaluation`. It follows the description of the measures (Loizou, Speech Enhancement, chapter 11; Vincent et
al. 2006) and is frozen: change it only when the measure itself was misunderstood."""
import math
import numpy as np

EPS = np.finfo(float).eps
CENTRE = [
    50, 120, 190, 260, 330, 400, 470, 540, 617.372, 703.378, 798.717, 904.128, 1020.38, 1148.30, 1288.72,
    1442.54, 1610.70, 1794.16, 1993.93, 2211.08, 2446.71, 2701.97, 2978.04, 3276.17, 3597.63]
WIDTH = [70] * 7 + [
    77.3724, 86.0056, 95.3398, 105.411, 116.256, 127.914, 140.423, 153.823, 168.154, 183.457, 199.776,
    217.153, 235.631, 255.255, 276.072, 298.126, 321.465, 346.136]


def frames(x, rate):
    n = round(.03*rate)
    hop = n//4
    window = [.5*(1-math.cos(2*math.pi*i/(n+1))) for i in range(1, n+1)]
    out, k = [], 0
    while k < math.floor(len(x)/hop-n/hop):
        out.append(np.array([x[k*hop+i]*window[i] for i in range(n)]))
        k += 1
    return out


def lowest(values, share=.95):
    values = sorted(values)
    return sum(values[:round(len(values)*share)])/round(len(values)*share)


def predictor(frame, order):
    r = [float(np.dot(frame[k:], frame[:len(frame)-k])) for k in range(order+1)]
    a, error = [1.], r[0]
    for i in range(1, order+1):
        k = -sum(a[j]*r[i-j] for j in range(i))/error
        longer = a+[0.]
        a = [longer[j]+k*longer[i-j] for j in range(i+1)]
        error *= 1-k*k
    return a, r


def llr(clean, estimate, rate, cap=2.):
    order = 16 if rate >= 10000 else 10
    values = []
    for c, e in zip(frames(clean+EPS, rate), frames(estimate+EPS, rate)):
        (a, r), (b, _) = predictor(c, order), predictor(e, order)
        quadratic = lambda v: sum(v[i]*v[j]*r[abs(i-j)] for i in range(order+1) for j in range(order+1))
        d = math.log(quadratic(b)/quadratic(a))
        values.append(d if cap is None else min(d, cap))
    return lowest(values)


def band_levels(frame, rate):
    n = 1
    while n < 2*len(frame):
        n *= 2
    power = np.abs(np.fft.fft(frame, n))**2
    levels = []
    for f, w in zip(CENTRE, WIDTH):
        middle = math.floor(f/(rate/2)*(n/2))
        width = w/(rate/2)*(n/2)
        total = 0.
        for j in range(n//2):
            gain = math.exp(-11*((j-middle)/width)**2+math.log(WIDTH[0])-math.log(w))
            if gain > math.exp(-30/(2*2.303)):
                total += gain*power[j]
        levels.append(10*math.log10(max(total, 1e-10)))
    return levels


def slopes_and_weights(level):
    n = len(level)-1
    slope = [level[i+1]-level[i] for i in range(n)]
    weights = []
    for i in range(n):
        k = i
        if slope[i] > 0:
            while k < n and slope[k] > 0:
                k += 1
            peak = level[k-1]
        else:
            while k >= 0 and slope[k] <= 0:
                k -= 1
            peak = level[k+1]
        weights.append(20/(20+max(level)-level[i])*1/(1+peak-level[i]))
    return slope, weights


def wss(clean, estimate, rate):
    values = []
    for c, e in zip(frames(clean, rate), frames(estimate, rate)):
        (s, w), (t, v) = slopes_and_weights(band_levels(c, rate)), slopes_and_weights(band_levels(e, rate))
        both = [(a+b)/2 for a, b in zip(w, v)]
        values.append(sum(b*(p-q)**2 for b, p, q in zip(both, s, t))/sum(both))
    return lowest(values)


def ssnr(clean, estimate, rate):
    values = []
    for c, e in zip(frames(clean, rate), frames(estimate, rate)):
        d = 10*math.log10(sum(c**2)/(sum((c-e)**2)+EPS)+EPS)
        values.append(min(max(d, -10.), 35.))
    return sum(values)/len(values)


def delayed(x, taps):
    "Columns: x delayed by 0 to taps-1 samples, padded at the end."
    return np.stack([np.concatenate([np.zeros(k), x, np.zeros(taps-1-k)]) for k in range(taps)], 1)


def bss_eval(references, estimates, taps):
    "SDR, SIR, SAR by explicit least squares."
    columns, out = [delayed(r, taps) for r in references], []
    for i, e in enumerate(estimates):
        e = np.concatenate([e, np.zeros(taps-1)])
        project = lambda m: m@np.linalg.lstsq(m, e, rcond=None)[0]
        target, everything = project(columns[i]), project(np.concatenate(columns, 1))
        db = lambda x, y: 10*math.log10((x@x)/(y@y)) if y.any() else math.inf
        out.append((db(target, e-target), db(target, everything-target), db(everything, e-everything)))
    return [list(x) for x in zip(*out)]
