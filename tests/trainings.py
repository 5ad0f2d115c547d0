"""Trainings that cost a second: anchors, pairs and sound types made of tones and noise, on disk."""
import hashlib
from pathlib import Path
import numpy as np, pandas as pd, torch
from weakse.core.audio import save_audio
from weakse.core.labels import Vocabulary
from weakse.mining.anchor_store import write_anchors
from weakse.mining.mine import mine
from weakse.training.selective import train_selective
from weakse.training.segan import train_segan
from weakse.training.wave_unet import train_wave_unet
from weakse.training.weak import train_unet

NAMES = 'Speech','Knock','Clap','Hiss','Hum'
KINDS = 'speech','transient','transient','stationary','stationary'
small = dict(
    width=1/8, depth=3, n_fft=256, hop_length=80, precision='float32', layout='channels_last', progress=False)

def _sound(k, i):
    "Half a second of a class at 8 kHz."
    t,g = torch.arange(4000)/8000,torch.Generator().manual_seed(100*k + i)
    tone = (2*torch.pi*(150 + 170*k + 9*i)*t).sin()
    noise = torch.randn(4000, generator=g)
    return .1*(tone, tone*(-8*t).exp(), noise*(-20*t).exp(), noise, tone + .1*noise)[k]

def make_folders(
    folder,  # to put everything into
):           # the same: anchors/, mined/, kinds.csv, pairs/
    "What the three recipes read."
    folder = Path(folder)
    rows = [(k, i) for i in range(6) for k in range(5)]
    tags = .8*np.eye(5)[[k for k,_ in rows]] + .05
    table = pd.DataFrame(
        {'clip': range(30), 'file': [f'{i}.wav' for i in range(30)], 'class': [NAMES[k] for k,_ in rows],
         'start': 0., 'area': .9, 'level_db': -20.})
    write_anchors(
        folder/'anchors', table, torch.stack([_sound(*r) for r in rows]), tags,
        Vocabulary(NAMES, thresholds=[.5]*5), dict(sample_rate=8000, seconds=.5))
    mine(folder/'anchors', folder/'anchors/vocabulary.csv', folder/'mined', batch_size=4, n_batches=40,
         progress=False)
    pd.DataFrame({'class': NAMES, 'n': 6, 'gini': 0., 'kind': KINDS, 'seen': True}).to_csv(
        folder/'kinds.csv', index=False)
    for i in range(6):
        clean = .1*torch.sin(torch.arange(30000)*(.02 + .01*i))
        noise = .03*torch.randn(30000, generator=torch.Generator().manual_seed(i))
        save_audio(folder/f'pairs/clean/{i}.wav', clean, 16000)
        save_audio(folder/f'pairs/noisy/{i}.wav', clean + noise, 16000)
    return folder

# how each recipe is trained in a second; every draw that a batch can have is drawn
def weak(folder, out, steps=3, **more):
    "The weakly trained system."
    mixtures = dict(level='snr', both_directions=False, n_interferers=[1, 2], eq_db=6., level_db=-26., seconds=.4,
                    gain_range=[-3., 3.], identity_share=.1, absent_share=.1, focus_lowest=60.)
    given = dict(batch_size=4, mixtures=mixtures, ema=.9, clip=5., lr=1e-3) | small | more
    return train_unet(folder/'anchors', folder/'mined', out, steps=steps, **given)

def selective(folder, out, steps=3, **more):
    "The selective system."
    given = dict(batch_size=4, n_embed=8, residual_share=.5, channels=[4, 6, 8, 8], ema=.9) | small
    given.pop('width')
    return train_selective(folder/'anchors', folder/'kinds.csv', out, steps=steps, **given | more)

def wave_unet(folder, out, steps=3, **more):
    "Wave-U-Net."
    given = dict(width=1/8, depth=4, batch_size=4, valid_every=2, valid_share=.2, precision='float32',
                 layout='channels_last', progress=False)
    return train_wave_unet(folder/'pairs', out, steps=steps, **given | more)

def segan(folder, out, steps=3, **more):
    "SEGAN."
    given = dict(width=1/16, batch_size=4, n_reference=4, valid_every=2, valid_share=.2, ema=.9, jitter=True,
                 precision='float32', progress=False)
    return train_segan(folder/'pairs', out, steps=steps, **given | more)

RECIPES = dict(weak=weak, selective=selective, wave_unet=wave_unet, segan=segan)

def weights(
    out, # folder of a system
):       # name -> array
    "The weights of a finished system."
    from safetensors.numpy import load_file
    return load_file(Path(out)/'model.safetensors')

def bits(
    out, # folder of a system
):       # 16 characters
    "A short name for the very bits of a finished system."
    found = hashlib.sha256()
    for k,v in sorted(weights(out).items()):
        found.update(k.encode() + v.tobytes())
    return found.hexdigest()[:16]

PARAMS = dict(
    seed=0, data='.', title='tones',
    train=dict(
        width=.125, depth=3, n_fft=256, hop_length=80, precision='float32', layout='channels_last', steps=20, batch_size=4, ema=.9, lr=1e-3,
        checkpoint_every=3, mixtures=dict(level='snr', eq_db=6., seconds=.4)))

def write_params(
    path,   # file to write
    **more, # of the block `train`
):          # the path
    "A parameter file for `weakse train`."
    import yaml
    Path(path).write_text(yaml.safe_dump(PARAMS | {'train': PARAMS['train'] | more}))
    return path

def stop_after(
    step, # number of an update, from 1 on
):
    "Let this process be asked to end once it has made its update `step`."
    import os, signal
    from weakse.training.tasks import WeakTask
    made = WeakTask.step
    def then(self, batch):
        logs = made(self, batch)
        if self.n==step: os.kill(os.getpid(), signal.SIGTERM)
        return logs
    WeakTask.step = then
