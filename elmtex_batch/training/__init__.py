"""Fine-tuning of the language model with LoRA on annotated reports."""
