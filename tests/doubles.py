"Systems, detectors and recordings made by hand: the laws of the library hold for them as for trained ones."
import logging, time, warnings
from pathlib import Path
import torch
from weakse.core.spectrogram import istft, stft
from weakse.core.labels import Vocabulary
from weakse.models.system import System

BANDS = dict(Speech=(250, 1500), Hum=(0, 250), Whistle=(1500, 8000))   # Hz

def band_masks(q):
    "`(K, Q)` the share of every frequency bin that each class owns."
    hz = torch.linspace(0, 8000, q, dtype=torch.float32, device='cpu')
    return torch.stack([((hz >= low) & (hz < high)).float() for low,high in BANDS.values()])

def bands_of(wav, cond, clean, rate):
    "The bands that the condition asks for."
    spec = stft(wav)
    return istft(spec*(cond @ band_masks(spec.shape[-2]))[..., None], length=wav.shape[-1])

def band_system():
    "A system of three classes that live in three bands."
    return System('bands', bands_of, sample_rate=16000, vocabulary=Vocabulary(list(BANDS)), block=1.0)

class BandDetector:
    "Hears a class where its band has energy."
    sample_rate = 16000
    hop = 0.1
    vocabulary = Vocabulary(list(BANDS), thresholds=[.5]*3)
    def framewise(self, wav):
        padded = torch.nn.functional.pad(wav, (0, max(0, 800 - wav.shape[-1])))
        power = stft(padded, hop_length=1600).abs().square()
        probs = 1 - torch.exp(-(band_masks(power.shape[-2]) @ power)/10).transpose(-1, -2)
        return probs[:, :max(1, -(-wav.shape[-1]//1600))]

    def tags(self, wav):
        return self.framewise(wav).amax(1)

def band_scene(seconds=4.0, rate=16000):
    "`(T,)` a sweep throughout, a hum in the first half, a whistle in the second."
    t = torch.arange(round(seconds*rate), dtype=torch.float32, device='cpu')/rate
    sweep = torch.sin(2*torch.pi*(600*t + 30*torch.sin(2*torch.pi*t)))
    return (
        0.2 * sweep + 0.1 * torch.sin(2 * torch.pi * 120 * t) * (t < seconds / 2)
        + 0.1 * torch.sin(2 * torch.pi * 3000 * t) * (t >= seconds / 2))

def made_up_pair(seconds=2.0, sample_rate=16000, snr=5.0, seed=0):
    "A made-up `(clean, noisy)` pair: harmonic bursts in rumble and hiss, the first 0.3 s noise alone."
    g = torch.Generator('cpu').manual_seed(seed)
    t = torch.arange(round(seconds*sample_rate), dtype=torch.float32, device='cpu')/sample_rate
    pitch = 2*torch.pi*torch.cumsum(130+30*torch.sin(2*torch.pi*0.7*t), 0)/sample_rate
    voice = sum(torch.sin(k*pitch)/k for k in range(1, 21))
    clean = 0.1*voice*torch.sin(2*torch.pi*1.5*(t-0.3)).clamp_min(0)*(t > 0.3)
    hiss = torch.randn(len(t), generator=g, dtype=torch.float32, device='cpu')
    noise = 0.5*hiss + torch.sin(2*torch.pi*35*t + 1)
    gain = (clean.square().mean()/noise.square().mean()).sqrt()*10**(-snr/20)
    return clean, clean + gain*noise

def touch_slowly(folder, i):
    "Leave a file; fail for item 3."
    time.sleep(.05)
    (Path(folder)/str(i)).touch()
    if i==3:
        raise ValueError("item 3 does not like it here")

def warn_of(name):
    "Say something of a file, by the log and by Python's warnings."
    logging.getLogger('weakse').warning(f"{name} is read")
    warnings.warn(f"{name} is cut short")

def sleep_long(folder, i):
    "Leave a file that says who works here, then take very long."
    import os
    (Path(folder)/str(os.getpid())).touch()
    time.sleep(600)
