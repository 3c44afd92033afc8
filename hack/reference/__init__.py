"""The pages of docs/reference, each made by one module from what the programs themselves use."""
