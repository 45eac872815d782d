def test_comments_come_again_the_most_used_first(desk, question, ids, give):
    for student, remark in (("s001", "no reason"), ("s002", "why?"), ("s003", "why?")):
        give(ids[student], [0.5, 1, 0], remarks=[remark], words="Read 5.4.")
    used = desk.begin(question, "")["used"]
    assert used["points"] == [[("why?", 2), ("no reason", 1)], [], []]
    assert used["whole"] == [("Read 5.4.", 3)]
