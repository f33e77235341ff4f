"""What every request passes before and after its route: who may ask, how much may be sent, what is written down."""
