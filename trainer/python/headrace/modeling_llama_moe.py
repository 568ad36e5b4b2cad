"""A LLaMA-MoE for transformers: LlamaForCausalLM with experts in place of its feed-forward layers. Saved with converted models (trust_remote_code).

The loss that it returns for labels includes the balance losses, since a Trainer knows no other.
"""

from __future__ import annotations

from typing import Any, Optional

import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

from .moe_layer import Experts, MoeLayer, MoeShape


class LlamaMoeConfig(LlamaConfig):
    """LLaMA's configuration and that of the experts (see MoeShape for each)."""

    model_type = "llama_moe"

    def __init__(
        self,
        num_experts: int = 16,
        num_selects: int = 4,
        size_experts: int = 688,
        score_scale_factor: float = 4.0,
        num_experts_residual: int = 0,
        score_scale_factor_residual: float = 1.0,
        gate_network: str = "mlp",
        gate_add_noise: bool = True,
        gate_balance_loss_weight: float = 0.01,
        gate_load: str = "logit",
        **others: Any,
    ) -> None:
        self.num_experts = num_experts
        self.num_selects = num_selects
        self.size_experts = size_experts
        self.score_scale_factor = score_scale_factor
        self.num_experts_residual = num_experts_residual
        self.score_scale_factor_residual = score_scale_factor_residual
        self.gate_network = gate_network
        self.gate_add_noise = gate_add_noise
        self.gate_balance_loss_weight = gate_balance_loss_weight
        self.gate_load = gate_load
        super().__init__(**others)

    def moe_shape(self) -> MoeShape:
        """The experts of a layer."""
        return MoeShape(
            experts=self.num_experts,
            select=self.num_selects,
            size=self.size_experts,
            scale=self.score_scale_factor,
            residual=self.num_experts_residual,
            residual_scale=self.score_scale_factor_residual,
            gate=self.gate_network,
            noise=self.gate_add_noise,
            balance=self.gate_balance_loss_weight,
            load=self.gate_load,
        )


class LlamaMoeMlp(MoeLayer):
    """A layer of experts that gives hidden states alone and keeps the rest of its last pass."""

    balance: Optional[Tensor] = None
    load: Optional[Tensor] = None

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        mixed = super().forward(x)
        self.balance, self.load = mixed.balance, mixed.load
        return mixed.hidden


class LlamaMoeForCausalLM(LlamaForCausalLM):
    """The model."""

    config_class = LlamaMoeConfig

    def __init__(self, config: LlamaMoeConfig) -> None:
        super().__init__(config)
        for layer in self.model.layers:
            layer.mlp = LlamaMoeMlp(config.hidden_size, config.moe_shape())
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, Experts):
            for parameter in module.parameters():
                nn.init.normal_(parameter, std=self.config.initializer_range)

    def forward(self, *positional: Any, **named: Any) -> Any:
        """As LLaMA's; where it gives a loss, with the balance losses of all layers added."""
        output = super().forward(*positional, **named)
        if self.training and getattr(output, "loss", None) is not None:
            balances = [layer.mlp.balance.to(output.loss.device) for layer in self.model.layers]
            output.loss = output.loss + torch.stack(balances).sum()
        return output
