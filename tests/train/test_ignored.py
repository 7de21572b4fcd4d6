"""Which keys of a cfg have no effect."""

from __future__ import annotations

from zoo.network import Network
from zoo.train.ignored import ignored_keys


def test_keys_are_named_by_section() -> None:
    network = Network.parse(
        "[net]\nchannels=3\nbatch=2\nangle=7\nhue=.1\nmax_epochs=3\nseq_scales=1,2\n"
        "time_steps=1\n\n"
        "[conv]\nfilters=3\nclip=2\nonlyforward=0\ntrain_only_bn=1\n\n"
        "[conv]\nfilters=3\nclip=1\nstopbackward=1\ndont_update=1\nlearning_rate=2\n\n"
        "[conv]\nfilters=3\nstopbackward=800\nburnin_update=1\n\n"
        "[route]\nlayers=-1\nonlyforward=1\n"
    )
    assert ignored_keys(network) == [
        "[net] angle, hue, max_epochs, seq_scales",
        "[conv] clip, train_only_bn, stopbackward=800, burnin_update",
        "[route] onlyforward",
    ]


def test_there_may_be_none() -> None:
    text = "[net]\nchannels=3\nsubdivisions=2\npolicy=random\n\n[conv]\nfilters=3\n"
    assert ignored_keys(Network.parse(text)) == []
