"""Loops of plain torch, as anybody writes them, for ``training.py``."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from dstoolkit.models.deepspeech import DeepSpeechConfig
from dstoolkit.pipeline.experiment import TrainConfig
from dstoolkit.training.dataset import Batch


class PlainLoop:
    """A model, its optimizer and its loop; ``epoch`` returns the mean loss, which such loops show. ``dtype`` is that of
    autocast in the forward pass; float32: none."""

    def __init__(self, model: nn.Module, options: TrainConfig, dtype: torch.dtype) -> None:
        self.model, self.clip, self.dtype = model, options.clip, dtype
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=options.lr, weight_decay=options.weight_decay)
        self.loss = nn.CTCLoss(zero_infinity=True)

    def epoch(self, batches: Iterable[Batch]) -> float:
        self.model.train()
        total, steps = 0.0, 0
        for batch in batches:
            self.optimizer.zero_grad()
            with torch.autocast(batch.frames.device.type, self.dtype, enabled=self.dtype is not torch.float32):
                logits, lengths = self.model(batch.frames, batch.lengths)
            log_probs = logits.float().log_softmax(2).transpose(0, 1)
            loss = self.loss(log_probs, batch.targets, lengths, batch.target_lengths)
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
            self.optimizer.step()
            total, steps = total + loss.item(), steps + 1
        return total / max(steps, 1)


class PlainModel(nn.Module):
    """The default network from torch's own layers; its batch norms hear the padding too, and its recurrent layers
    unless ``packed``."""

    def __init__(self, config: DeepSpeechConfig, input_dim: int, vocab: int, packed: bool) -> None:
        super().__init__()
        self.packed, self.stride = packed, config.stride
        padding = (config.kernel_size - 1) // 2
        self.convolution = nn.Conv1d(input_dim, config.kernels, config.kernel_size, config.stride, padding)
        self.norm = nn.BatchNorm1d(config.kernels)
        width = 2 * config.size
        dims = [config.kernels, *[width] * (config.layers - 1)]
        self.layers = nn.ModuleList(nn.LSTM(dim, config.size, batch_first=True, bidirectional=True) for dim in dims)
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for _ in dims)
        self.dropout = nn.Dropout(config.dropout)
        self.dense = nn.Linear(width, vocab)

    def forward(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """As ``CTCModel``."""
        hidden = self.norm(self.convolution(frames.transpose(1, 2)).relu()).transpose(1, 2)
        lengths = (lengths + self.stride - 1) // self.stride
        for layer, norm in zip(self.layers, self.norms, strict=True):
            hidden = self.recur(layer, self.dropout(hidden), lengths)
            hidden = norm(hidden.transpose(1, 2)).transpose(1, 2)
        return self.dense(self.dropout(hidden)), lengths

    def recur(self, layer: nn.LSTM, hidden: Tensor, lengths: Tensor) -> Tensor:
        if not self.packed:
            return layer(hidden)[0]
        packed = pack_padded_sequence(hidden, lengths.cpu(), batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(layer(packed)[0], batch_first=True, total_length=hidden.shape[1])[0]
