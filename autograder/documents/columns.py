"""What the columns of class lists and worksheets are called, in English and Chinese: for what is read and filled.

Of each fact the best column comes first; headings are compared without case, blanks and underscores (`tables.heading`).
Moodle's words are those of its language packs, mod/assign/lang/en/assign.php and the like of zh_cn.
"""

import re

ADDRESSES = ("Email address", "Email", "电子邮件地址", "电子邮件", "电子邮箱", "邮箱地址", "邮箱", "Email地址")
NUMBERS = ("ID number", "Student ID", "SID", "学号", "学号/工号", "学生学号", "工号", "ID号", "ID号码", "编号")
USERNAMES = ("Username", "用户名", "SIS Login ID", "Login ID")
IDS = ("id", *NUMBERS, "SIS User ID", "SIS ID", *USERNAMES, *ADDRESSES)
FIRST_NAMES = ("first_name", "名", "名字")
LAST_NAMES = ("last_name", "Surname", "姓", "姓氏")
FULL_NAMES = (
    "lms_name",
    "Full name",
    "Student",
    "Name",
    "姓名",
    "学生姓名",
    "全名",
    "用户全名",
    "学生",
    "First name / Last name",
)
EMAILS = (*ADDRESSES, "SIS Login ID", "Login ID")
ROLES = ("Role", "Roles", "角色", "身份")
STAFF = re.compile(r"instructor|teacher|\bta\b|assistant|grader|reader|designer|manager|教师|老师|助教", re.IGNORECASE)
# in the place of a name: rows below the students'
TOTALS = re.compile(r"平均分?|合计|总计|最高分|最低分|average|mean|median|total|count", re.IGNORECASE)

# worksheets, and columns that take points
IDENTIFIERS = ("Identifier", "识别码")
CHANGED = ("Last modified (submission)", "最后修改（学生）")
GRADES = ("Grade", "Score", "成绩", "得分", "分数")
MAXIMA = ("Maximum grade", "最高成绩")
COMMENTS = ("Feedback comments", "反馈评语", "反馈意见", "反馈评论", "评语反馈", "评语")
# 成绩（满分：130） in 智慧树, 得分 (总:10.0分) in 雨课堂, Homework 1 [Total Pts: 10 Score] |4711 in Blackboard
MAXIMUM = re.compile(
    r"\s*[（(\[]\s*(满分|总分?|Total Pts|Max(imum)?( points| grade)?|out of)\s*[:：]?\s*"
    r"(?P<points>\d+([.,]\d+)?)[^）)\]]*[）)\]]",
    re.IGNORECASE,
)
POINTS = re.compile(rf"({'|'.join(GRADES)})({MAXIMUM.pattern})?", re.IGNORECASE)  # a heading
# in a cell: nothing is known, or there are no points yet
NO_POINTS = re.compile(r"[-–—/]*|needs grading.*|in progress.*|未(批阅|评分|打分|提交|交)|待(批阅|评分)", re.IGNORECASE)
# groups.csv, and Canvas's own list of groups
GROUPS = ("group", "group_name", "小组", "组名")
MEMBERS = ("student", "member", "user_id", "login_id", "学号", "成员")
ANONYMOUS = ("Participant", "参与者")  # everybody's name where marking is blind, and what stands before the number
PARTICIPANT = re.compile(rf"({'|'.join(ANONYMOUS)})\s*(?P<number>\d+)")

# by these a row of headings is known
WHO = (*IDS, *IDENTIFIERS, *FULL_NAMES, *FIRST_NAMES, *LAST_NAMES, *GROUPS, *MEMBERS)
