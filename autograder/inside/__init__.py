"""What runs within the student's and the examiner's processes."""
