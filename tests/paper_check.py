"""The paper's path at full width, on a machine that has neither AudioSet nor the published weights: `make paper`.

A small folder in AudioSet's shape is made from the embedded corpus, and PANNs' two networks get weights that are fresh but in the published
format. Then the stages of dvc.yaml run with `params/paper.yaml`: nothing is changed but paths, the number of steps and the batch, so that
146 M parameters and 527 classes fit a laptop. What comes out means nothing; that it comes out is the check.
"""
import os, subprocess, sys, time
from pathlib import Path
import yaml

root = Path(__file__).resolve().parents[1]
work = root/'runs'/'paper_check_input'
cache = work/'cache'
params = work/'paper_check.yaml'

def make_inputs():
    "The AudioSet-shaped folder, test pairs, and the stand-ins for the weights."
    from weakse.corpora.audioset import audioset_shaped
    from weakse.detectors.panns import write_stand_ins
    from weakse.corpora.synth import synth_corpus
    corpus = synth_corpus(
        root / 'sources', work / 'corpus', work / 'truth', work / 'pairs', work / 'pairs_dev', sample_rate=32000,
        n_clips=24, n_pairs=2, n_dev_pairs=1, voices=8)
    audioset_shaped(corpus, work/'audioset')
    write_stand_ins(cache)

def write_params():
    "`params/paper.yaml` with other paths, 20 steps of one mixture, drawn from mini-batches of 8 anchors."
    values = yaml.safe_load((root/'params'/'paper.yaml').read_text())
    values |= {'data': os.path.relpath(work/'audioset', root), 'title': 'a check that means nothing'}
    values['corpus'] |= {'pairs_from': os.path.relpath(work/'pairs', root)}
    values['mine'] |= {'n_batches': 20, 'batch_size': 8}
    values['train'] |= {'steps': 20, 'batch_size': 1, 'checkpoint_every': 20}
    params.write_text(yaml.safe_dump(values, sort_keys=False))

def weakse(*args):
    "Run the command; its exit code, and what it said."
    env = {
        **os.environ, 'WEAKSE_HOME': str(cache),
        'PATH': f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    done = subprocess.run(
        [Path(sys.executable).with_name('weakse'), *args], cwd=root, env=env, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    print(done.stdout[-3000:])
    return done.returncode, done.stdout

def main():
    start = time.perf_counter()
    make_inputs()
    write_params()
    code, said = weakse('repro', 'score@noisy', '--params', str(params))
    if code == 0 or '1.97' not in said:
        sys.exit(
            "the check of the noisy files should have stopped this run: these are not VoiceBank-DEMAND's")
    code, said = weakse('repro', 'enhance@weakse', '--params', str(params))
    if code:
        sys.exit("the paper's path is broken: the message is above")
    print(
        f"the paper's path works: 20 steps at full width, 527 classes, in {time.perf_counter() - start:.0f} "
        "s with everything before them")

if __name__ == '__main__':
    main()
